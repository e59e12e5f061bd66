import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { startOrigin } from "../kit/origins.ts";
import { runProgram, startSluice } from "../kit/process.ts";
import { startInside } from "./inside.ts";
import { get, startListening } from "./sluice.ts";
import { startSecureInside, startSecureSluice, visit, writeConfig, writeIdentity } from "./tls-sluice.ts";

const FILES = { cert: "cert.pem", key: "key.pem" };
const bin = new URL("../../bin/sluice.js", import.meta.url).pathname;

const authority = await createAuthority();
const identity = await authority.issue();

describe("handshakes", () => {
  test("agree on keys that no quantum computer finds out", async () => {
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, identity);
    await using sluice = await startSecureInside(folder, FILES);
    const { group, answer } = await visit(sluice);
    assert.equal(group, "X25519MLKEM768");
    assert.match(answer, /^HTTP\/1\.1 200 /);
    // Who knows none of that gets what is best otherwise.
    assert.equal((await visit(sluice, { ecdhCurve: "X25519:P-256" })).group, "X25519");
  });

  test("keep to what the configuration says", async () => {
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, identity);
    const tls = { ...FILES, min_version: 1.3, groups: "P-256", ciphers: "TLS_AES_256_GCM_SHA384" };
    await using sluice = await startSecureInside(folder, tls);
    const { group, cipher } = await visit(sluice);
    assert.deepEqual([group, cipher], ["prime256v1", "TLS_AES_256_GCM_SHA384"]);
    await assert.rejects(visit(sluice, { maxVersion: "TLSv1.2" }));
  });

  test("staple an OCSP response, and the next one when its file changes", async () => {
    await using folder = await createTemporaryDirectory();
    await writeIdentity(folder, identity);
    const [first, second] = [Buffer.from("3003020101", "hex"), Buffer.from("3003020102", "hex")];
    await folder.write("status.der", first);
    await using sluice = await startSecureInside(folder, { ...FILES, ocsp: "status.der" });
    assert.deepEqual((await visit(sluice, { requestOCSP: true })).status, first);
    await folder.write("status.der", second);
    await until("the next one is stapled", async () => {
      return (await visit(sluice, { requestOCSP: true })).status?.equals(second);
    });
  });

  test("choose the certificate by name, and refuse other names if they are to", async () => {
    await using folder = await createTemporaryDirectory();
    for (const name of ["a", "b"]) {
      const made = await authority.issue({ names: [`${name}.example`, `*.${name}.example`] });
      await folder.write(`${name}.pem`, `${made.cert}\n${made.key}`);
    }
    const tls = { certificates: [{ cert: "a.pem" }, { cert: "b.pem" }], unknown_names: "refuse" };
    await using sluice = await startSecureInside(folder, tls);
    const [a, b] = [
      await visit(sluice, { servername: "a.example" }),
      await visit(sluice, { servername: "x.b.example" }),
    ];
    assert.notEqual(a.fingerprint, b.fingerprint);
    assert.equal((await visit(sluice, { servername: "" })).fingerprint, a.fingerprint);
    await assert.rejects(visit(sluice, { servername: "c.example" }), /unrecognized name/);
  });
});

describe("sluice http", () => {
  test("serves HTTP/2 and HTTP/1.1 with certificates that are given", async () => {
    await using folder = await createTemporaryDirectory();
    await using origin = await startOrigin();
    const other = await authority.issue({ names: ["other.example"] });
    await writeIdentity(folder, identity);
    const more = [await folder.write("other.pem", other.cert), await folder.write("other.key", other.key)];
    const pair = ["--cert", folder.join("cert.pem"), "--key", folder.join("key.pem")];
    const pairs = [...pair, "--cert", more[0]!, "--key", more[1]!];
    await using sluice = await startInside(["http", "-b", "127.0.0.1:0", ...pairs, origin.address]);
    const one = await visit(sluice, { ALPNProtocols: ["http/1.1"] });
    assert.deepEqual([one.alpn, one.answer.startsWith("HTTP/1.1 200 ")], ["http/1.1", true]);
    const two = await visit(sluice, { servername: "other.example" });
    assert.notEqual(two.fingerprint, one.fingerprint);
    await using client = new Http2Client(sluice.port, { ca: authority.cert, servername: "localhost" });
    const { status, body } = await client.get("/");
    assert.deepEqual([status, body.toString(), client.session.alpnProtocol], [200, "origin\n", "h2"]);
    const plain = await get(sluice.port, "/x");
    assert.deepEqual([plain.status, plain.header("location")], [308, "https://a.example/x"]);
  });

  test("makes a certificate for development, prints its fingerprint, and leaves nothing behind", async () => {
    await using folder = await createTemporaryDirectory();
    await using origin = await startOrigin();
    const flags = ["--tls-self-signed", "--name", "dev.example", "--threads", "0", origin.address];
    const env = { TMPDIR: folder.path };
    await using sluice = await startListening(["http", "-b", "127.0.0.1:0", ...flags], { env });
    const line = /^Certificate for localhost, 127\.0\.0\.1, ::1, dev\.example, .* SHA-256: (\S+)$/;
    const [, printed] = await sluice.program.line(line);
    const { fingerprint, answer } = await visit(sluice);
    assert.equal(fingerprint, printed);
    assert.match(answer, /^HTTP\/1\.1 200 /);
    sluice.program.signal("SIGTERM");
    await sluice.program.exit();
    const left = (await readdir(folder.path)).filter((name) => name.startsWith("sluice-tls-"));
    assert.deepEqual(left, []);
  });

  for (const signal of ["SIGTERM", "SIGHUP"] as const) {
    test(`is gone with a program that is ended by ${signal} before it serves`, async () => {
      await using folder = await createTemporaryDirectory();
      const args = ["http", "--tls-self-signed", "-b", "127.0.0.1:0", "--threads", "0", "127.0.0.1:1"];
      await using program = await startSluice(args, { env: { TMPDIR: folder.path } });
      await program.line(/^Certificate for /);
      program.signal(signal);
      await program.exit();
      assert.deepEqual(
        (await readdir(folder.path)).filter((name) => name.startsWith("sluice-tls-")),
        [],
      );
    });
  }
});

describe("secrets of connections", () => {
  for (const [how, flags, env] of [
    ["by a flag", (file: string) => ["--tls-key-log", file], () => ({})],
    ["by the variable", () => [], (file: string) => ({ SSLKEYLOGFILE: file })],
  ] as const) {
    test(`are written to a file that is asked for ${how}, with a warning`, async () => {
      await using folder = await createTemporaryDirectory();
      await writeIdentity(folder, identity);
      const file = folder.join("keys.log");
      await using sluice = await startSecureSluice(folder, FILES, { flags: flags(file), env: env(file) });
      await sluice.program.line(/The secrets of TLS connections are written down/);
      await visit(sluice);
      const read = (): Promise<string> => readFile(file, "latin1").catch(() => "");
      await until("they are written", async () => (await read()) !== "");
      const written = await read();
      assert.match(written, /^(?:CLIENT|SERVER)_\w+ [0-9a-f]{64} [0-9a-f]+$/m);
    });
  }
});

test("--fips works where OpenSSL has the provider, and says what is missing where not", async () => {
  await using folder = await createTemporaryDirectory();
  await writeIdentity(folder, identity);
  const file = await writeConfig(folder, FILES);
  const { code, stdout, stderr } = await runProgram(process.execPath, [bin, "run", "-t", "--fips", file]);
  if (code === 0) {
    assert.match(stdout, /the configuration is good/);
    await using sluice = await startSecureSluice(folder, FILES, { flags: ["--fips"] });
    for (let i = 0; i < 8; i++) assert.match((await visit(sluice)).answer, /^HTTP\/1\.1 200 /);
    return;
  }
  assert.equal(code, 2);
  assert.match(stderr, /^sluice: FIPS mode can't be switched on: OpenSSL has no provider named fips .*\n$/);
});
