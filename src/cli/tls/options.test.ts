import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { describe, test } from "node:test";
import { readCertificate } from "../../net/tls/pem-certificate.ts";
import { UsageError } from "../errors.ts";
import { keyLogFile, pairCertificates, selfSignedFor } from "./options.ts";

describe("certificates from flags", () => {
  test("are paired in their order; one file may hold both", () => {
    assert.deepEqual(pairCertificates({ cert: ["a.pem", "b.pem"], key: ["a.key", "b.key"] }), [
      { cert: "a.pem", key: "a.key" },
      { cert: "b.pem", key: "b.key" },
    ]);
    assert.deepEqual(pairCertificates({ cert: ["both.pem"] }), [{ cert: "both.pem", key: "both.pem" }]);
    assert.deepEqual(pairCertificates({}), []);
  });

  test("need a key each", () => {
    assert.throws(() => pairCertificates({ cert: ["a", "b"], key: ["a"] }), {
      message: "2 --cert and 1 --key: each certificate needs its key",
    });
    assert.throws(() => pairCertificates({ key: ["a"] }), UsageError);
  });
});

describe("a certificate for development", () => {
  test("is for this machine and the names that are given, and goes with its files", async () => {
    const made = (await selfSignedFor({ tlsSelfSigned: true, name: ["Dev.example", "10.0.0.1"] }))!;
    assert.deepEqual(made.names, ["localhost", "127.0.0.1", "::1", "dev.example", "10.0.0.1"]);
    assert.match(made.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
    const certificate = readCertificate({
      certFile: made.cert,
      cert: await readFile(made.cert, "latin1"),
      keyFile: made.key,
      key: await readFile(made.key, "latin1"),
    });
    assert.deepEqual([certificate.names, certificate.keyType], [["localhost", "dev.example"], "ec"]);
    assert.equal((await stat(made.key)).mode & 0o077, 0, "nobody else may read the key");
    await made[Symbol.asyncDispose]();
    assert.equal(existsSync(made.key), false);
  });

  test("is made only when it is asked for, and with names that are some", async () => {
    assert.equal(await selfSignedFor({ cert: ["a.pem"] }), null);
    await assert.rejects(selfSignedFor({ name: ["a"] }), UsageError);
    await assert.rejects(selfSignedFor({ tlsSelfSigned: true, cert: ["a.pem"] }), /exclude each other/);
    await assert.rejects(selfSignedFor({ tlsSelfSigned: true, name: ["a b"] }), /--name a b: .* neither/);
  });
});

test("secrets are written where a flag or, without one, the environment says", () => {
  const { SSLKEYLOGFILE: before } = process.env;
  try {
    process.env["SSLKEYLOGFILE"] = "/tmp/a";
    assert.equal(keyLogFile({}), "/tmp/a");
    assert.equal(keyLogFile({ tlsKeyLog: "/tmp/b" }), "/tmp/b");
    process.env["SSLKEYLOGFILE"] = "";
    assert.equal(keyLogFile({}), null);
  } finally {
    if (before === undefined) delete process.env["SSLKEYLOGFILE"];
    else process.env["SSLKEYLOGFILE"] = before;
  }
});
