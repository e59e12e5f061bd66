import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { createAuthority } from "../../test/kit/certificates.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { createSession, type SessionInit } from "../../test/kit/session.ts";
import { PeerCertificate, type TlsDigest } from "../net/tls/digest.ts";
import { AccessLog, type AccessLogFormat } from "./access-log.ts";
import { LogSink } from "./log-sink.ts";

const PLAIN: TlsDigest = {
  version: "TLSv1.3",
  cipher: "TLS_AES_128_GCM_SHA256",
  group: "",
  serverName: "a.example",
  alpn: "h2",
  resumed: true,
  peerCertificate: null,
};

async function lineOf(format: AccessLogFormat, init: SessionInit): Promise<string> {
  await using folder = await createTemporaryDirectory();
  const file = folder.join("access.log");
  const sink = new LogSink(file);
  new AccessLog(sink, format).onSession(createSession<unknown>(init).session, null);
  await sink.close();
  return readFileSync(file, "utf8");
}

describe("the access log as JSON", () => {
  test("tells of a client's TLS", async () => {
    const entry = JSON.parse(await lineOf("json", { client: { scheme: "https", tls: PLAIN } }));
    const { version, cipher } = PLAIN;
    const told = { version, cipher, sni: "a.example", alpn: "h2", resumed: true, certificate: null };
    assert.deepEqual(entry.tls, told);
    assert.equal(entry.upstream_tls, null);
  });

  test("names who a client showed to be, on one line", async () => {
    const authority = await createAuthority();
    const { cert } = await authority.issue({ commonName: 'a"b\nc' });
    const peerCertificate = new PeerCertificate(new X509Certificate(cert));
    const line = await lineOf("json", { client: { tls: { ...PLAIN, peerCertificate } } });
    assert.equal(JSON.parse(line).tls.certificate, 'CN=a\\"b\\0Ac');
    assert.equal(line.indexOf("\n"), line.length - 1);
  });

  test("has nothing to tell without TLS", async () => {
    assert.equal(JSON.parse(await lineOf("json", {})).tls, null);
  });
});

test("the combined format stays what others read", async () => {
  const client = { scheme: "https", tls: PLAIN } as const;
  assert.match(
    await lineOf("combined", { client }),
    /^192\.0\.2\.1 - - \[[^\]]+\] "GET \/ HTTP\/1\.1" 499 0 "-" "-"\n$/,
  );
});
