import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { until } from "../../../test/kit/deadline.ts";
import { visitSecurely } from "../../../test/kit/tls-client.ts";
import { createServerContext, startTlsServer, toCertificate } from "../../../test/kit/tls-server.ts";
import { ServerContext } from "./server-context.ts";
import { TicketKeys } from "./ticket-keys.ts";
import { checkTlsParameters } from "./tls-parameters.ts";

const authority = await createAuthority();
const identity = await authority.issue();

describe("what is agreed on", () => {
  test("TLS 1.3 with the post-quantum group, and what the digest says of it", async () => {
    await using server = await startTlsServer({
      choose: createServerContext([identity], { alpn: ["h2", "http/1.1"] }),
    });
    const visit = await visitSecurely(server.port, { ALPNProtocols: ["http/1.1", "h2"] });
    assert.equal(visit.group, "X25519MLKEM768");
    assert.equal(visit.alpn, "h2", "the server's order counts");
    assert.equal(visit.answer, "ping");
    const { peerCertificate, ...digest } = server.digests[0]!;
    assert.equal(peerCertificate, null);
    assert.deepEqual(digest, {
      version: "TLSv1.3",
      cipher: visit.cipher,
      group: "",
      serverName: "localhost",
      alpn: "h2",
      resumed: false,
    });
  });

  test("TLS 1.2 for clients that know no better, and for nobody where it is off", async () => {
    await using server = await startTlsServer({ choose: createServerContext([identity]) });
    const visit = await visitSecurely(server.port, { maxVersion: "TLSv1.2" });
    assert.match(visit.cipher, /^TLS_ECDHE_ECDSA_WITH_/);
    assert.equal(server.digests[0]!.version, "TLSv1.2");
    const context = createServerContext([identity], { minVersion: "TLSv1.3" });
    await using strict = await startTlsServer({ choose: context });
    await assert.rejects(visitSecurely(strict.port, { maxVersion: "TLSv1.2" }), /alert protocol version/);
    assert.equal((await strict.failure()).kind, "handshake");
  });

  test("no protocol in common is refused with its alert, none offered is not", async () => {
    await using server = await startTlsServer({ choose: createServerContext([identity], { alpn: ["h2"] }) });
    await assert.rejects(
      visitSecurely(server.port, { ALPNProtocols: ["x"] }),
      /alert no application protocol/,
    );
    assert.equal((await visitSecurely(server.port)).alpn, "");
  });

  test("groups and ciphers that are asked for", async () => {
    const context = createServerContext([identity], {
      groups: "P-384",
      ciphers: "TLS_CHACHA20_POLY1305_SHA256",
    });
    await using server = await startTlsServer({ choose: context });
    const visit = await visitSecurely(server.port);
    assert.match(visit.group, /P-384|secp384r1/);
    assert.equal(visit.cipher, "TLS_CHACHA20_POLY1305_SHA256");
  });

  test("parameters that OpenSSL doesn't know are named", () => {
    checkTlsParameters({});
    assert.throws(
      () => checkTlsParameters({ groups: "X25519:nope" }),
      /the groups "X25519:nope" can't be used/,
    );
    assert.throws(() => checkTlsParameters({ ciphers: "nope" }), /the ciphers "nope" can't be used/);
    assert.throws(() => checkTlsParameters({ minVersion: "TLSv1.3", maxVersion: "TLSv1.2" }), RangeError);
  });
});

describe("certificates of a context", () => {
  test("one of each type of key, each with its chain", async () => {
    const rsaAuthority = await createAuthority({ keyType: "rsa", commonName: "RSA authority" });
    const rsa = await rsaAuthority.issue();
    const withChain = (one: { cert: string; key: string }, signer: { cert: string }) => ({
      ...one,
      cert: one.cert + signer.cert,
    });
    const context = createServerContext([withChain(identity, authority), withChain(rsa, rsaAuthority)]);
    await using server = await startTlsServer({ choose: context });
    const both = await visitSecurely(server.port);
    assert.equal(both.issuer, "Sluice test authority");
    const old = await visitSecurely(server.port, { sigalgs: "RSA-PSS+SHA256:RSA+SHA256" });
    assert.equal(old.issuer, "RSA authority");
    assert.deepEqual([both.sentCertificates, old.sentCertificates], [2, 2]);
  });

  test("the status of a certificate is stapled for those who ask for it", async () => {
    const status = Buffer.from([0x30, 3, 1, 2, 3]);
    const certificates = [toCertificate(identity, status)];
    const settings = { alpn: [], clientCertificates: null };
    const context = new ServerContext(settings, new TicketKeys(), { certificates });
    await using server = await startTlsServer({ choose: context });
    for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
      assert.deepEqual((await visitSecurely(server.port, { requestOCSP: true, maxVersion })).status, status);
      assert.equal((await visitSecurely(server.port, { maxVersion })).status, null);
    }
  });

  test("secrets are logged when asked for", async () => {
    const context = createServerContext([identity]);
    const lines: string[] = [];
    context.logKeys((line) => lines.push(line.toString()));
    await using server = await startTlsServer({ choose: context });
    await visitSecurely(server.port);
    await until("secrets came", () => lines.length >= 5);
    assert.match(lines.join(""), /^SERVER_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]+ [0-9a-f]+$/m);
  });
});
