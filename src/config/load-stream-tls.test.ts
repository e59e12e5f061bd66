import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import { parseConfig } from "./load.ts";

/** A TCP listener with these keys, written as a map in one line. */
function listenerWith(keys: string): StreamProxySettings {
  const text = `listeners: [{ bind: 5432, protocol: tcp, ${keys} }]`;
  return parseConfig(text, "/etc/sluice/sluice.yaml", {}).proxies[0]!;
}

describe("TLS of a TCP listener", () => {
  test("is opened with certificates, and plain to its servers", () => {
    const { tls, upstreams } = listenerWith(
      "upstream: db:5432, tls: { cert: a.pem, key: a.key, alpn: postgresql }",
    );
    assert.deepEqual(tls?.certificates, [{ cert: "/etc/sluice/a.pem", key: "/etc/sluice/a.key" }]);
    assert.deepEqual([upstreams, tls.alpn, tls.plainHttp], [["db:5432"], ["postgresql"], "refuse"]);
  });

  test("needs no servers where it is only passed on, and takes some for all other names", () => {
    const passed = "tls: { passthrough: [{ names: [A.example, '*.b.example'], upstreams: ['a:1', 'a:2'] }] }";
    const { tls, upstreams } = listenerWith(passed);
    assert.deepEqual(upstreams, []);
    assert.deepEqual(tls?.passthrough, [{ names: ["a.example", "*.b.example"], upstreams: ["a:1", "a:2"] }]);
    assert.deepEqual(listenerWith(`upstream: rest:443, ${passed}`).upstreams, ["rest:443"]);
  });

  test("needs servers where it is opened", () => {
    assert.throws(
      () => listenerWith("tls: { cert: a.pem }"),
      /listeners\[0\]\.upstream: upstream is missing/,
    );
    assert.throws(() => listenerWith("tls: {}"), /tls\.cert: cert is missing/);
    assert.throws(
      () => listenerWith("upstream: a:1, tls: { cert: a.pem, plain_http: refuse }"),
      /unknown key/,
    );
    assert.throws(
      () => listenerWith("upstream: a:1, tls: { cert: a.pem, alpn: [''] }"),
      /the name of a protocol/,
    );
  });

  test("is spoken with servers, if they want it", () => {
    assert.equal(listenerWith("upstream: a:1").upstreamTls, null);
    assert.equal(listenerWith("upstream: a:1, upstream_tls: false").upstreamTls, null);
    assert.deepEqual(listenerWith("upstream: a:1, upstream_tls: true").upstreamTls, {});
    const { upstreamTls } = listenerWith(
      "upstream: a:1, upstream_tls: { sni: db.example, min_version: 1.3 }",
    );
    assert.deepEqual(upstreamTls, { sni: "db.example", minVersion: "TLSv1.3" });
    assert.throws(
      () => listenerWith("upstream: a:1, upstream_tls: { ca: none.pem }"),
      /sluice\.yaml:1:\d+: listeners\[0\]\.upstream_tls\.ca: none\.pem: there is no such file/,
    );
    assert.throws(
      () => listenerWith("upstream_tls: true, tls: { passthrough: [{ names: a.b, upstream: 'a:1' }] }"),
      /connections that stay unopened have TLS already/,
    );
  });
});
