import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { createServer, type TLSSocket } from "node:tls";
import { createAuthority } from "../../../test/kit/certificates.ts";
import type { PeerTlsOptions } from "../peer-tls.ts";
import { examine, serve, testProbe } from "./probe.contract.ts";
import { TlsProbe } from "./tls-probe.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const trusting: PeerTlsOptions = { ca: authority.cert };

function probeBy(tls: PeerTlsOptions): TlsProbe {
  return new TlsProbe({ tls: { ...trusting, ...tls } });
}

testProbe("a TLS handshake", {
  create: () => probeBy({ sni: "localhost" }),
  createServer: () => createServer(identity),
  onlyConnects: false,
});

describe("a TLS handshake", () => {
  test("wants a certificate of somebody it trusts", async () => {
    await using server = await serve(createServer(identity));
    const other = await createAuthority({ commonName: "Other" });
    for (const tls of [{}, { ca: other.cert }])
      assert.match(
        (await examine(new TlsProbe({ tls }), server.address)) ?? "well",
        /unable to (verify|get local issuer)/,
      );
    assert.equal(await examine(new TlsProbe({ tls: { verifyCertificate: false } }), server.address), null);
  });

  test("wants one that has not ended", async () => {
    await using server = await serve(createServer(await authority.issue({ days: -1 })));
    assert.equal(await examine(probeBy({}), server.address), "certificate has expired");
    assert.equal(await examine(probeBy({ verifyCertificate: false }), server.address), null);
  });

  test("wants one for the name that it asks for", async () => {
    await using server = await serve(createServer(await authority.issue({ names: ["a.test", "192.0.2.7"] })));
    const checkFor = (names: PeerTlsOptions) => examine(probeBy(names), server.address);
    assert.equal(await checkFor({ sni: "a.test" }), null);
    assert.equal(await checkFor({ sni: "", alternativeName: "192.0.2.7" }), null);
    for (const names of [{ sni: "b.test" }, { alternativeName: "192.0.2.8" }, {}])
      assert.match((await checkFor(names)) ?? "well", /^Hostname\/IP does not match/);
  });

  test("asks for names, never for addresses", async () => {
    const server = createServer(identity);
    await using served = await serve(server);
    for (const [names, asked] of [
      [{ sni: "localhost" }, "localhost"],
      [{ sni: "" }, false],
      [{}, false],
    ] as const) {
      const accepted = once(server, "secureConnection") as Promise<[TLSSocket]>;
      assert.equal(await examine(probeBy(names), served.address), null);
      const [socket] = await accepted;
      assert.equal(socket.servername, asked);
    }
  });
});
