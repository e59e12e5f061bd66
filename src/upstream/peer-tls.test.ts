import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { HttpPeer, type PeerOptions } from "./peer.ts";
import { EITHER, HTTP1_ONLY, type PeerTlsOptions } from "./peer-tls.ts";

const authority = await createAuthority();
const identity = { chain: authority.cert, key: authority.key };

function keyOf(options: PeerOptions): string {
  return new HttpPeer("a.example:443", options).key;
}

describe("what a peer is known by", () => {
  test("tells all settings apart", () => {
    const all: readonly PeerOptions[] = [
      {},
      { tls: false },
      ...[true, { sni: "a" }, { sni: "" }, { ca: "x" }, { ca: ["x", "y"] }, { ca: "xy" }, { identity }].map(
        (tls) => ({ tls }),
      ),
      { tls: { identity: { chain: identity.key, key: identity.chain } } },
      { tls: { verifyCertificate: false } },
      { tls: { verifyHostname: false } },
      { tls: { alternativeName: "a" } },
      { tls: { host: "a" } },
      { tls: { minVersion: "TLSv1.3" } },
      { tls: { maxVersion: "TLSv1.3" } },
      { tls: { ciphers: "a" } },
      { tls: { groups: "a" } },
      { tls: { resumes: false } },
      { tls: true, sni: "b" },
      { tls: true, protocol: "h2" },
      { tls: true, proxy: "http://a:1" },
      { tls: true, proxy: "http://b:c@a:1" },
      { proxy: "http://a:1" },
    ];
    assert.equal(new Set(all.map(keyOf)).size, all.length);
    for (const options of all) assert.equal(keyOf(structuredClone(options)), keyOf(options));
  });

  test("holds no certificates and no keys", () => {
    const key = keyOf({ tls: { ca: authority.cert, identity } });
    assert.doesNotMatch(key, /BEGIN|PRIVATE/);
    assert.ok(key.length < 400, key);
  });

  test("is what connections are made with, whatever becomes of the options", () => {
    const tls: { sni: string } & PeerTlsOptions = { sni: "a", verifyCertificate: false };
    const options = { tls };
    const peer = new HttpPeer("a.example:443", options);
    const { key } = peer;
    tls.sni = "b";
    assert.equal(peer.tls?.clientFor(EITHER).settings.sni, "a");
    assert.equal(peer.key, key);
    assert.notEqual(new HttpPeer("a.example:443", options).key, key);
  });
});

test("equal settings have one client, where their sessions are", () => {
  const clientOf = (options: PeerOptions, address = "a.example:443", protocols = EITHER) =>
    new HttpPeer(address, options).tls?.clientFor(protocols);
  const tls = { ca: authority.cert, sni: "one.test" };
  const client = clientOf({ tls });
  assert.equal(clientOf({ tls: { ...tls } }, "b.example:1"), client);
  assert.equal(clientOf({ tls: { ca: authority.cert }, sni: "one.test", group: "x" }), client);
  assert.notEqual(clientOf({ tls }, "a.example:443", HTTP1_ONLY), client);
  assert.notEqual(clientOf({ tls: { ...tls, verifyHostname: false } }), client);
  assert.deepEqual(client?.settings.alpn, ["h2", "http/1.1"]);
});

test("TLS and protocol must go together", () => {
  const speaks = (options: PeerOptions) => new HttpPeer("a:1", options).speaks;
  assert.equal(speaks({}), "http1");
  assert.equal(speaks({ protocol: "auto" }), "http1");
  assert.equal(speaks({ protocol: "h2c" }), "http2");
  assert.equal(speaks({ tls: true }), "either");
  assert.equal(speaks({ tls: {}, protocol: "h2" }), "http2");
  assert.equal(speaks({ tls: {}, protocol: "http1" }), "http1");
  assert.throws(() => speaks({ protocol: "h2" }), /without TLS it is called h2c/);
  assert.throws(() => speaks({ protocol: "h2c", tls: true }), /with tls it is called h2/);
  assert.throws(() => speaks({ protocol: "http2" as "h2" }), /There is no protocol http2/);
});
