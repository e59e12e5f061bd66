import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { describe, test } from "node:test";
import { generate } from "selfsigned";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { CertificateIndex } from "./certificate-index.ts";
import { CertificateError, type CertificateTexts, findDoubts, readCertificate } from "./pem-certificate.ts";

const authority = await createAuthority();
const identity = await authority.issue({ names: ["a.test", "*.a.test", "127.0.0.1"] });
const other = await authority.issue({ names: ["b.test"] });
const rsa = await (await createAuthority({ keyType: "rsa" })).issue({ names: ["a.test"] });

function read(texts: Partial<CertificateTexts> = {}): ReturnType<typeof readCertificate> {
  return readCertificate({ certFile: "cert.pem", keyFile: "key.pem", ...identity, ...texts });
}

function refuses(texts: Partial<CertificateTexts>, message: RegExp | string): void {
  assert.throws(
    () => read(texts),
    message instanceof RegExp ? message : { name: "CertificateError", message },
  );
}

describe("a certificate", () => {
  test("has its names, its type of key and its end from itself", () => {
    const certificate = read();
    assert.deepEqual(certificate.names, ["a.test", "*.a.test"]);
    assert.equal(certificate.keyType, "ec");
    assert.ok(certificate.notAfter > Date.now());
    assert.equal(read({ cert: rsa.cert, key: rsa.key }).keyType, "rsa");
    assert.deepEqual(read({ names: ["*.C.test"] }).names, ["*.c.test"]);
  });

  test("has the common name where there are no others", () => {
    assert.deepEqual(read({ cert: authority.cert, key: authority.key }).names, []);
  });

  test("may stand in one file with its key, with text around", () => {
    const both = `some text\n${identity.key}\nmore\n${identity.cert}${authority.cert}`;
    const certificate = read({ cert: both, key: both });
    assert.equal(certificate.chain.match(/BEGIN/g)?.length, 2);
  });

  test("may have an encrypted key", () => {
    const key = createPrivateKey(identity.key).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "secret",
    });
    assert.equal(read({ key, passphrase: "secret" }).key, read().key);
    refuses({ key, passphrase: "wrong" }, "key.pem: the passphrase is wrong");
    refuses({ key }, "key.pem: is encrypted, and there is no passphrase");
  });

  test("differs from others by what it is made of", () => {
    assert.equal(read().identity, read().identity);
    assert.notEqual(read().identity, read({ names: ["x.test"] }).identity);
    assert.notEqual(read().identity, read({ statusFile: "ocsp", status: Buffer.of(0x30, 0) }).identity);
  });

  test("that has expired, isn't valid yet or has no name is doubtful", async () => {
    assert.deepEqual(findDoubts(read(), Date.now()), []);
    const expired = await authority.issue({ days: -1 });
    assert.match(findDoubts(read(expired), Date.now())[0]!, /^expired at 20/);
    assert.match(findDoubts(read(), 0)[0]!, /^valid only from 20/);
    assert.match(findDoubts(read(authority), Date.now())[0]!, /no host name/);
  });
});

describe("what is wrong with a certificate is told with its file", () => {
  test("what is no certificate, or no key", () => {
    refuses({ cert: "x" }, "cert.pem: holds no certificate in PEM");
    refuses({ cert: identity.key }, "cert.pem: holds no certificate in PEM");
    refuses({ key: identity.cert }, "key.pem: holds no private key in PEM");
    const broken = identity.cert.replace(/\n[^-\n]{20}/, "\nAAAAAAAAAAAAAAAAAAAA");
    refuses({ cert: broken }, /^CertificateError: cert\.pem: certificate 1 can't be read/);
    refuses(
      { key: identity.key.replace(/\n[^-\n]{20}/, "\nAAAAAAAAAAAAAAAAAAAA") },
      /key\.pem: can't be read/,
    );
  });

  test("a file that is still being written", () => {
    const chain = identity.cert + authority.cert;
    refuses({ cert: chain.slice(0, -40) }, "cert.pem: holds a certificate that isn't whole");
    refuses({ cert: identity.cert.slice(0, 60) }, "cert.pem: holds a certificate that isn't whole");
  });

  test("a key or a chain of another", () => {
    refuses({ key: other.key }, "key.pem: is not the key of the certificate in cert.pem");
    refuses({ cert: identity.cert + other.cert }, /certificate 2 did not sign the one before it/);
    refuses({ cert: authority.cert + identity.cert }, /must come first, it is number 2/);
  });

  test("what OpenSSL refuses to serve", async () => {
    const short = await generate([{ name: "commonName", value: "short" }], { keySize: 1024 });
    refuses(
      { cert: short.cert, key: short.private },
      /^CertificateError: cert\.pem: is refused by OpenSSL: .*key too small/,
    );
  });

  test("names that are none, a status that is none", () => {
    refuses({ names: ["a b"] }, 'cert.pem: "a b" is no host name');
    refuses({ names: ["*.com"] }, 'cert.pem: "*.com" is no host name');
    refuses({ statusFile: "ocsp", status: Buffer.from("x") }, "ocsp: holds no OCSP response in DER");
    assert.throws(() => read({ cert: "" }), CertificateError);
  });
});

describe("finding certificates by name", () => {
  const first = read({ names: ["one.test"] });
  const wild = read({ names: ["*.a.test"] });
  const exact = read({ names: ["x.a.test", "a.test"] });
  const second = read({ ...rsa, names: ["one.test", "x.a.test"] });
  const index = new CertificateIndex([first, wild, exact, second]);

  test("exact names come before wildcards, which stand for one label", () => {
    assert.deepEqual(index.find("y.a.test")?.certificates, [wild]);
    assert.deepEqual(index.find("x.a.test")?.certificates, [exact, second]);
    assert.deepEqual(index.find("a.test")?.certificates, [exact]);
    for (const name of ["z.y.a.test", "b.test", "test", ""]) assert.equal(index.find(name), null, name);
  });

  test("the first is for all others, with what else its name has", () => {
    assert.deepEqual(index.fallback?.certificates, [first, second]);
    assert.equal(new CertificateIndex([]).fallback, null);
  });

  test("of several for a name and a type of key the first counts; equal sets are one", () => {
    const again = new CertificateIndex([exact, read({ ...other, names: ["a.test"] })]);
    assert.deepEqual(again.find("a.test")?.certificates, [exact]);
    assert.equal(again.find("a.test"), again.find("x.a.test"));
    assert.equal(again.sets.length, 1);
  });
});
