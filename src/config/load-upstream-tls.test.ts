import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import type { UpstreamSettings } from "../filters/settings.ts";
import { loadConfig, parseConfig } from "./load.ts";

function upstreamsOf(yaml: string): readonly UpstreamSettings[] {
  return parseConfig(yaml, "a.yaml", {}).upstreams;
}

/** The only upstream of a document, with these keys. */
function withKeys(keys: string): UpstreamSettings {
  return upstreamsOf(`listeners: [{ bind: 1, upstream: app }]\nupstreams: { app: { ${keys} } }\n`)[0]!;
}

const authority = await createAuthority();
const identity = await authority.issue({ commonName: "proxy" });

describe("the TLS of an upstream", () => {
  test("is none, unless something says so", () => {
    assert.equal(withKeys("servers: [3000]").peer.tls, undefined);
    assert.equal(withKeys("servers: [3000], tls: false").peer.tls, undefined);
    assert.equal(withKeys("servers: ['http://a.example']").peer.tls, undefined);
  });

  test("is what servers are verified by, and both protocols, if nothing else is said", () => {
    const { peer } = withKeys("servers: [3000], tls: true");
    assert.deepEqual(peer.tls, {});
    assert.equal(peer.protocol, "auto");
    assert.equal(withKeys("servers: [3000], tls: true, protocol: http1").peer.protocol, "http1");
    assert.equal(withKeys("servers: [3000], tls: true, protocol: h2").peer.protocol, "h2");
    assert.equal(withKeys("servers: [3000], protocol: auto").peer.protocol, undefined);
  });

  test("has options", () => {
    const options = `sni: "", verify_cert: false, verify_hostname: false, alternative_cn: b.example, min_version: 1.3,
      max_version: 1.3, ciphers: [TLS_AES_128_GCM_SHA256], groups: X25519:P-256`;
    assert.deepEqual(withKeys(`servers: [3000], tls: { ${options} }`).peer.tls, {
      ...{ sni: "", verifyCertificate: false, verifyHostname: false, alternativeName: "b.example" },
      ...{ minVersion: "TLSv1.3", maxVersion: "TLSv1.3" },
      ...{ ciphers: "TLS_AES_128_GCM_SHA256", groups: "X25519:P-256" },
    });
  });

  test("verifies servers found by DNS by the name that was looked up", () => {
    const host = "api.internal";
    for (const [discovery, tls, expected] of [
      ["'api.internal:443'", "true", { host }],
      ["_https._tcp.api.internal", "true", { host }],
      ["'api.internal:443'", '{ sni: "" }', { host, sni: "" }],
      ["./servers.yaml", "true", {}],
    ] as const) {
      const { peer, checks } = withKeys(`discovery: ${discovery}, tls: ${tls}, health_check: /`);
      assert.deepEqual(peer.tls, expected);
      const [check] = checks;
      assert.deepEqual(check?.kind === "http" && check.tls, expected);
    }
  });

  test("reads files beside the configuration, and opens keys", async () => {
    await using folder = await createTemporaryDirectory();
    await folder.write("ca.pem", authority.cert);
    await folder.write("cert.pem", identity.cert);
    const key = createPrivateKey(identity.key);
    await folder.write(
      "key.pem",
      key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open" }),
    );
    const file = await folder.write(
      "a.yaml",
      `listeners: [{ bind: 1, upstream: app }]
upstreams:
  app: { servers: [3000], tls: { ca: ca.pem, cert: cert.pem, key: key.pem, passphrase: "\${WORD}" } }
`,
    );
    const { tls } = loadConfig(file, { WORD: "open" }).upstreams[0]!.peer;
    assert.ok(typeof tls === "object");
    assert.deepEqual(tls.ca, [`${authority.cert}\n`]);
    assert.equal(tls.identity?.chain, `${identity.cert}\n`);
    assert.ok(createPrivateKey(tls.identity.key).equals(key));
    const files = { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    assert.deepEqual(tls.identity.source, { ...files, passphrase: "open" });
    assert.throws(() => loadConfig(file, { WORD: "other" }), /a\.yaml:3:.*key\.pem: the passphrase is wrong/);
  });
});

describe("addresses that say https", () => {
  test("are port 443 with TLS", () => {
    const { servers, peer } = withKeys(
      "servers: ['https://a.example', 'HTTPS://b.example:8443/', 'https://[::1]']",
    );
    assert.deepEqual(
      servers.map(({ address }) => address),
      ["a.example:443", "b.example:8443", "[::1]:443"],
    );
    assert.deepEqual(peer.tls, {});
    const { servers: plain } = withKeys("servers: { address: 'http://a.example', weight: 2 }");
    assert.deepEqual(plain, [{ address: "a.example:80", weight: 2, priority: 0, zone: null }]);
  });

  test("may stand wherever a server's address may", () => {
    const upstreams = upstreamsOf(`listeners:
  - { bind: 1, upstream: https://a.example }
  - { bind: 2, upstream: [https://a.example, https://b.example], mirror: http://c.example }
  - { bind: 3, upstream: app }
upstreams: { app: https://d.example:1 }
`);
    assert.deepEqual(
      upstreams.map(({ name, servers, peer }) => [
        name,
        servers.map(({ address }) => address).join(" "),
        peer.tls,
        peer.protocol,
      ]),
      [
        ["app", "d.example:1", {}, "auto"],
        ["https://a.example:443", "a.example:443", {}, "auto"],
        ["https://a.example:443, https://b.example:443", "a.example:443 b.example:443", {}, "auto"],
        ["c.example:80", "c.example:80", undefined, undefined],
      ],
    );
  });
});

test("a proxy to connect through is taken as it is written", () => {
  const { peer, checks } = withKeys(
    "servers: [3000], connect_proxy: 'http://a:b@proxy:3128', health_check: tcp",
  );
  assert.equal(peer.proxy, "http://a:b@proxy:3128");
  assert.equal(checks[0]!.proxy, peer.proxy);
});

test("checks of an upstream of h2c ask in HTTP/2, but not on another port", () => {
  const checkOf = (check: string) =>
    withKeys(`servers: [3000], protocol: h2c, health_check: ${check}`).checks[0];
  const isHttp2 = (check: string) => "http2" in checkOf(check)!;
  assert.deepEqual(["/health", "{ http: /, port: 1 }", "tcp"].map(isHttp2), [true, false, false]);
});

describe("checks of an upstream with TLS", () => {
  const tls = "tls: { sni: a.example }";
  const tlsOf = (keys: string): unknown => {
    const [check] = withKeys(`servers: [3000], ${keys}`).checks;
    assert.ok(check !== undefined && check.kind !== "tcp");
    return check.tls;
  };

  test("speak TLS as it does", () => {
    for (const check of ["/health", "tls", "grpc", "{ http: /, tls: true }", "{ grpc: true, port: 1 }"])
      assert.deepEqual(tlsOf(`${tls}, health_check: ${check}`), { sni: "a.example" }, check);
    assert.deepEqual(tlsOf("health_check: tls"), {});
    assert.equal(tlsOf("health_check: /"), null);
  });

  test("may speak none, or another", () => {
    assert.equal(tlsOf(`${tls}, health_check: { http: /, tls: false }`), null);
    assert.deepEqual(tlsOf(`${tls}, health_check: { http: /, tls: { verify: false } }`), {
      verifyCertificate: false,
    });
    assert.deepEqual(tlsOf(`${tls}, health_check: { tls: { server_name: 192.0.2.1 } }`), {
      sni: "",
      alternativeName: "192.0.2.1",
    });
  });
});
