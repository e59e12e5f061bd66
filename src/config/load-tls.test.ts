import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { TlsListenerSettings } from "../net/tls/listener-settings.ts";
import { toTlsSettings } from "../proxy/tls/tls-options.ts";
import { parseConfig } from "./load.ts";

/** The TLS of a listener, written as a map in one line. */
function tlsOf(value: string, fileName = "sluice.yaml"): TlsListenerSettings | null {
  const text = `listeners: [{ bind: 8443, respond: 200, tls: ${value} }]`;
  return parseConfig(text, fileName, { SECRET: "s3cret" }).listeners[0]!.tls;
}

describe("TLS of a listener", () => {
  test("is nothing but a certificate with its key, if there is nothing to add", () => {
    // Programs and configurations begin with the same.
    assert.deepEqual(
      tlsOf("{ cert: a.pem, key: a.key }"),
      toTlsSettings({ cert: "a.pem", key: "a.key" }, false),
    );
    assert.equal(
      parseConfig("listeners: [{ bind: 80, respond: 200 }]", "a.yaml", {}).listeners[0]!.tls,
      null,
    );
  });

  test("may have certificate and key in one file", () => {
    assert.deepEqual(tlsOf("{ cert: both.pem }")?.certificates, [{ cert: "both.pem", key: "both.pem" }]);
  });

  test("finds its files from the folder of the configuration", () => {
    const tls = tlsOf(
      "{ certificates: [{ cert: a.pem, key: /k/a.key, ocsp: a.der }], client_certificates: { ca: ca.pem, crl: [c.pem] } }",
      "/etc/sluice/sluice.yaml",
    );
    assert.deepEqual(tls?.certificates, [
      { cert: "/etc/sluice/a.pem", key: "/k/a.key", ocsp: "/etc/sluice/a.der" },
    ]);
    assert.deepEqual(tls?.clientCertificates, {
      mode: "required",
      ca: ["/etc/sluice/ca.pem"],
      crl: ["/etc/sluice/c.pem"],
    });
  });

  test("knows all that can be said", () => {
    const tls = tlsOf(`{
      certificates: [
        { cert: a.pem, key: a.key, passphrase: "\${SECRET}", names: [A.example, "*.b.example"] },
        { cert: c.pem, names: bücher.example },
      ],
      min_version: 1.3, max_version: TLSv1.3, ciphers: [TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384], groups: "X25519:P-256",
      client_certificates: { mode: optional, ca: [x.pem, y.pem] },
      unknown_names: refuse, session_timeout: 1h, ticket_rotation: 0, handshake_timeout: 500ms, max_handshakes: 0,
      plain_http: refuse,
      passthrough: [{ names: mail.example, upstreams: [10.0.0.1:443, 10.0.0.2:443] }, { names: ["*.x.example"], upstream: 8443 }],
    }`);
    assert.deepEqual(tls, {
      certificates: [
        { cert: "a.pem", key: "a.key", passphrase: "s3cret", names: ["a.example", "*.b.example"] },
        { cert: "c.pem", key: "c.pem", names: ["xn--bcher-kva.example"] },
      ],
      minVersion: "TLSv1.3",
      maxVersion: "TLSv1.3",
      ciphers: "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
      groups: "X25519:P-256",
      refusesUnknownNames: true,
      clientCertificates: { mode: "optional", ca: ["x.pem", "y.pem"], crl: [] },
      sessionTimeout: 3_600_000,
      ticketRotation: 0,
      handshakeTimeout: 500,
      handshakes: 0,
      plainHttp: "refuse",
      passthrough: [
        { names: ["mail.example"], upstreams: ["10.0.0.1:443", "10.0.0.2:443"] },
        { names: ["*.x.example"], upstreams: ["127.0.0.1:8443"] },
      ],
    });
  });

  test("needs no certificate where connections are only passed on", () => {
    const tls = tlsOf("{ passthrough: [{ names: a.example, upstream: 10.0.0.1:443 }] }");
    assert.deepEqual(tls?.certificates, []);
  });
});
