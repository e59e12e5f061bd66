import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { skipWithout } from "../kit/peer.ts";
import { createRevocationList } from "../kit/revocation.ts";
import type { RunningSluice } from "./sluice.ts";
import { startSecureSluice, visit, writeIdentity } from "./tls-sluice.ts";

const FILES = { cert: "cert.pem", key: "key.pem" };

const server = await (await createAuthority()).issue();
const clients = await createAuthority({ commonName: "Clients" });
const strangers = await createAuthority({ commonName: "Strangers" });
const [alice, bob, mallory] = [await clients.issue(), await clients.issue(), await strangers.issue()];

/** A listener that lets in nobody without a certificate of `clients`. */
async function start(folder: TemporaryDirectory, rules: object = {}): Promise<RunningSluice> {
  await writeIdentity(folder, server);
  await folder.write("clients.pem", clients.cert);
  const client_certificates = { mode: "required", ca: "clients.pem", ...rules };
  return await startSecureSluice(folder, { ...FILES, client_certificates }, { flags: ["--threads", "2"] });
}

async function isLetIn(sluice: RunningSluice, options: ConnectionOptions): Promise<boolean> {
  try {
    const { answer } = await visit(sluice, options);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    return true;
  } catch {
    return false;
  }
}

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

describe("clients that must show who they are", () => {
  test("are refused without a certificate, and with a stranger's", async () => {
    await using folder = await createTemporaryDirectory();
    await using sluice = await start(folder);
    for (const maxVersion of VERSIONS) {
      assert.equal(await isLetIn(sluice, { maxVersion }), false, maxVersion);
      assert.equal(await isLetIn(sluice, { maxVersion, ...mallory }), false, maxVersion);
      assert.equal(await isLetIn(sluice, { maxVersion, ...alice }), true, maxVersion);
      assert.equal(await isLetIn(sluice, { maxVersion, ...bob }), true, maxVersion);
    }
  });

  test("are let in without one if they may be, but not with a stranger's", async () => {
    await using folder = await createTemporaryDirectory();
    await using sluice = await start(folder, { mode: "optional" });
    for (const maxVersion of VERSIONS) {
      assert.equal(await isLetIn(sluice, { maxVersion }), true, maxVersion);
      assert.equal(await isLetIn(sluice, { maxVersion, ...mallory }), false, maxVersion);
      assert.equal(await isLetIn(sluice, { maxVersion, ...alice }), true, maxVersion);
    }
  });

  test("are refused once theirs is revoked, with a session too", {
    skip: skipWithout("openssl"),
  }, async () => {
    await using folder = await createTemporaryDirectory();
    await folder.write("crl.pem", await createRevocationList(clients, [bob.cert]));
    await using sluice = await start(folder, { crl: "crl.pem" });
    const returning = await Promise.all(
      VERSIONS.map(async (maxVersion) => {
        assert.equal(await isLetIn(sluice, { maxVersion, ...bob }), false, maxVersion);
        const { session } = await visit(sluice, { maxVersion, ...alice });
        return { maxVersion, ...alice, session: session! };
      }),
    );
    for (const again of returning) assert.equal((await visit(sluice, again)).resumed, true);
    await folder.write("crl.pem", await createRevocationList(clients, [alice.cert, bob.cert]));
    await sluice.program.line(/Other certificates are trusted/);
    for (const again of returning) {
      const { maxVersion } = again;
      await until("alice is refused", async () => !(await isLetIn(sluice, { maxVersion, ...alice })));
      for (let i = 0; i < 8; i++) assert.equal(await isLetIn(sluice, again), false, maxVersion);
    }
  });
});
