import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { until } from "../../../test/kit/deadline.ts";
import { skipWithout } from "../../../test/kit/peer.ts";
import { createRevocationList } from "../../../test/kit/revocation.ts";
import { visitSecurely } from "../../../test/kit/tls-client.ts";
import { createServerContext, startTlsServer, type TlsServer } from "../../../test/kit/tls-server.ts";
import type { ClientCertificates } from "./server-context.ts";
import { TicketKeys } from "./ticket-keys.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const clients = await createAuthority({ commonName: "Clients" });
const strangers = await createAuthority({ commonName: "Strangers" });
const good = await clients.issue({ commonName: "alice", names: ["alice.test"] });
const expired = await clients.issue({ days: -1 });
const stranger = await strangers.issue();

function start(rules: ClientCertificates, keys = new TicketKeys()): Promise<TlsServer> {
  return startTlsServer({ choose: createServerContext([identity], { clientCertificates: rules }, keys) });
}

async function refuses(server: TlsServer, options: ConnectionOptions, reason: RegExp): Promise<void> {
  const before = server.failures.length;
  await assert.rejects(visitSecurely(server.port, options));
  await until("the server says why", () => server.failures.length > before);
  const { kind, reason: said } = server.failures[before]!;
  assert.equal(kind, "handshake");
  assert.match(said, reason);
  assert.equal(server.digests.length, 0, "nobody got a connection");
}

for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
  describe(`client certificates in ${maxVersion}`, () => {
    test("required: good ones are told of, all else is refused", async () => {
      await using server = await start({ mode: "required", ca: [clients.cert] });
      await refuses(server, { maxVersion }, /did not return a certificate|left/);
      await refuses(server, { maxVersion, ...stranger }, /refused|hang up|left/);
      await refuses(server, { maxVersion, ...expired }, /refused|hang up|left/);
      assert.equal((await visitSecurely(server.port, { maxVersion, ...good })).answer, "ping");
      const { peerCertificate } = server.digests[0]!;
      assert.equal(peerCertificate?.subject, "CN=alice");
      assert.equal(peerCertificate?.issuer, "CN=Clients");
      assert.deepEqual(peerCertificate?.alternativeNames, ["DNS:alice.test"]);
      assert.match(peerCertificate?.serialNumber ?? "", /^[0-9A-F]+$/);
      assert.match(peerCertificate?.fingerprint ?? "", /^[0-9a-f]{64}$/);
    });

    test("optional: none is fine, a bad one isn't", async () => {
      await using server = await start({ mode: "optional", ca: [clients.cert] });
      await refuses(server, { maxVersion, ...stranger }, /refused/);
      await refuses(server, { maxVersion, ...expired }, /refused/);
      await visitSecurely(server.port, { maxVersion });
      await visitSecurely(server.port, { maxVersion, ...good });
      assert.equal(server.digests[0]!.peerCertificate, null);
      assert.equal(server.digests[1]!.peerCertificate?.subject, "CN=alice");
    });

    test("a resumed session still knows who the client is", async () => {
      await using server = await start({ mode: "required", ca: [clients.cert] });
      const { session } = await visitSecurely(server.port, { maxVersion, ...good });
      const visit = await visitSecurely(server.port, { maxVersion, ...good, session: session! });
      assert.equal(visit.resumed, true);
      assert.equal(server.digests[1]!.resumed, true);
      assert.equal(server.digests[1]!.peerCertificate?.subject, "CN=alice");
    });

    test("a session isn't taken up for longer than the certificate counts", async ({ mock }) => {
      await using server = await start({ mode: "required", ca: [clients.cert] });
      const { session } = await visitSecurely(server.port, { maxVersion, ...good });
      server.digests.length = 0;
      // OpenSSL has a clock of its own, by which session and certificate still count.
      mock.timers.enable({ apis: ["Date"], now: Date.now() + 31 * 86_400_000 });
      await refuses(server, { maxVersion, ...good, session: session! }, /refused: it has expired since/);
    });

    test("a session that began under other rules doesn't get past these", async () => {
      const keys = new TicketKeys();
      await using open = await startTlsServer({ choose: createServerContext([identity], {}, keys) });
      await using other = await start({ mode: "required", ca: [strangers.cert] }, keys);
      await using server = await start({ mode: "required", ca: [clients.cert] }, keys);
      const { session } = await visitSecurely(open.port, { maxVersion });
      await refuses(server, { maxVersion, session: session! }, /did not return a certificate|left/);
      const visit = await visitSecurely(other.port, { maxVersion, ...stranger });
      await refuses(server, { maxVersion, ...stranger, session: visit.session! }, /refused|hang up|left/);
    });

    test("a revoked one is refused", { skip: skipWithout("openssl") }, async () => {
      const crl = await createRevocationList(clients, [good.cert]);
      await using server = await start({ mode: "required", ca: [clients.cert], crl: [crl] });
      await refuses(server, { maxVersion, ...good }, /refused|hang up|left/);
      const other = await clients.issue();
      assert.equal((await visitSecurely(server.port, { maxVersion, ...other })).answer, "ping");
    });
  });
}
