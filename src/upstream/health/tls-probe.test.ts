import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { createServer, type TLSSocket } from "node:tls";
import { createAuthority } from "../../../test/kit/certificates.ts";
import type { ProbeTls } from "../group-settings.ts";
import { examine, serve, testProbe } from "./probe.contract.ts";
import { TlsProbe } from "./tls-probe.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const trusting: ProbeTls = { serverName: null, verify: true, ca: authority.cert };

testProbe("a TLS handshake", {
  create: () => new TlsProbe(trusting),
  createServer: () => createServer(identity),
  onlyConnects: false,
});

describe("a TLS handshake", () => {
  test("wants a certificate of somebody it trusts", async () => {
    await using server = await serve(createServer(identity));
    const other = await createAuthority({ commonName: "Other" });
    for (const ca of [null, other.cert])
      assert.match(
        (await examine(new TlsProbe({ ...trusting, ca }), server.address)) ?? "well",
        /unable to (verify|get local issuer)/,
      );
    assert.equal(await examine(new TlsProbe({ ...trusting, ca: null, verify: false }), server.address), null);
  });

  test("wants one that has not ended", async () => {
    await using server = await serve(createServer(await authority.issue({ days: -1 })));
    assert.equal(await examine(new TlsProbe(trusting), server.address), "certificate has expired");
    assert.equal(await examine(new TlsProbe({ ...trusting, verify: false }), server.address), null);
  });

  test("wants one for the name that it asks for", async () => {
    await using server = await serve(createServer(await authority.issue({ names: ["a.test", "192.0.2.7"] })));
    const checkFor = (serverName: string | null) =>
      examine(new TlsProbe({ ...trusting, serverName }), server.address);
    assert.equal(await checkFor("a.test"), null);
    assert.equal(await checkFor("192.0.2.7"), null);
    for (const name of ["b.test", "192.0.2.8", null])
      assert.match((await checkFor(name)) ?? "well", /^Hostname\/IP does not match/);
  });

  test("asks for names, never for addresses", async () => {
    const server = createServer(identity);
    await using served = await serve(server);
    for (const [serverName, asked] of [
      ["localhost", "localhost"],
      ["127.0.0.1", false],
      [null, false],
    ] as const) {
      const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
      assert.equal(await examine(new TlsProbe({ ...trusting, serverName }), served.address), null);
      const [socket] = await accepted;
      assert.equal(socket.servername, asked);
    }
  });
});
