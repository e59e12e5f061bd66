import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import type { TlsVisit } from "../kit/tls-client.ts";
import type { RunningSluice } from "./sluice.ts";
import { startSecureSluice, visit, writeIdentity } from "./tls-sluice.ts";

const FILES = { cert: "cert.pem", key: "key.pem" };
const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
/** With two threads it is as good as certain that both get some. */
const CONNECTIONS = 40;
const ROTATION = "2s";

type Version = (typeof VERSIONS)[number];

const identity = await (await createAuthority()).issue();

/** A visit with this session, or the first one of a client. */
function come(sluice: RunningSluice, maxVersion: Version, session: Buffer | null = null): Promise<TlsVisit> {
  return visit(sluice, { maxVersion, ...(session === null ? {} : { session }) });
}

describe("sessions", () => {
  test("are taken up again, whichever thread the client comes to", async () => {
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, identity);
    await using sluice = await startSecureSluice(folder, FILES, { flags: ["--threads", "2"] });
    for (const version of VERSIONS) {
      const { session, resumed } = await come(sluice, version);
      assert.equal(resumed, false);
      let again = 0;
      for (let i = 0; i < CONNECTIONS; i++) if ((await come(sluice, version, session)).resumed) again++;
      assert.equal(again, CONNECTIONS, version);
    }
  });

  test("outlive a change of the ticket keys, but not three", { timeout: 120_000 }, async () => {
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, identity);
    const tls = { ...FILES, ticket_rotation: ROTATION };
    await using sluice = await startSecureSluice(folder, tls, {
      flags: ["--threads", "2", "--log-level", "debug"],
    });
    const news = /Session tickets have a new key/;
    await sluice.program.line(news);
    sluice.program.clear();
    const visits = await Promise.all(VERSIONS.map((version) => come(sluice, version)));
    await sluice.program.line(news);
    for (const [index, version] of VERSIONS.entries()) {
      const { session } = visits[index]!;
      assert.equal((await come(sluice, version, session)).resumed, true, version);
    }
    for (const [index, version] of VERSIONS.entries()) {
      const { session } = visits[index]!;
      const isOver = async (): Promise<boolean> => !(await come(sluice, version, session)).resumed;
      await until(`the old session of ${version} is one no more`, isOver, { timeout: 60_000, every: 100 });
    }
  });
});
