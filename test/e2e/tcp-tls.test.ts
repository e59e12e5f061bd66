import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { connect } from "node:tls";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { freePort } from "../kit/ports.ts";
import { startSluice } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../kit/raw-origin.ts";
import { visitSecurely } from "../kit/tls-client.ts";
import { writeIdentity } from "../kit/tls-proxy.ts";
import { writeDeadlyToxic } from "./deadly-toxic.ts";
import { runInside, startInside } from "./inside.ts";
import { startListening } from "./sluice.ts";

const authority = await createAuthority({ commonName: "Ours" });
const others = await createAuthority({ commonName: "The servers'" });
const serverIdentity = await others.issue({ names: ["localhost", "127.0.0.1", "a.example", "*.b.example"] });
const directory = await createTemporaryDirectory();
let own: { readonly cert: string; readonly key: string };
let ca: string;

before(async () => {
  own = await writeIdentity(directory, "own", await authority.issue());
  ca = await directory.write("ca.pem", others.cert);
});
after(() => directory[Symbol.asyncDispose]());

function startEcho(): Promise<RawOrigin> {
  return startRawOrigin(({ socket }) => void socket.pipe(socket));
}

function startTlsEcho(): Promise<RawOrigin> {
  return startRawOrigin(({ socket }) => void socket.pipe(socket), { tls: serverIdentity });
}

async function usageError(...args: readonly string[]): Promise<string> {
  const { code, stderr } = await runInside(["tcp", "127.0.0.1:0", ...args]);
  assert.equal(code, 2, stderr);
  return stderr;
}

describe("sluice tcp", () => {
  test("opens TLS with --cert and --key, and tells of it", async () => {
    await using origin = await startEcho();
    const flags = ["--cert", own.cert, "--key", own.key, "--json", "--threads", "2"];
    await using sluice = await startSluice(["tcp", "127.0.0.1:0", origin.address, ...flags]);
    const [line = ""] = await sluice.line(/^.*"event":"listening".*$/);
    const [address = ""] = (JSON.parse(line) as { addresses: string[] }).addresses;
    const visit = await visitSecurely(Number(address.split(":")[1]));
    assert.deepEqual([visit.answer, visit.issuer], ["ping", "Ours"]);
    const [opened = ""] = await sluice.line(/^.*"event":"opened".*$/);
    assert.match(opened, new RegExp(`to ${origin.address}, TLSv1.3 for localhost`));
  });

  test("passes on with --sni, beside what it opens", async () => {
    await using origin = await startEcho();
    await using a = await startTlsEcho();
    await using b = await startTlsEcho();
    const routes = ["--sni", `a.example=${a.address}`, "--sni", `*.b.example=${b.address}`];
    await using both = await startInside([
      ...["tcp", "127.0.0.1:0", origin.address, "--cert", own.cert, "--key", own.key, ...routes],
    ]);
    const issuerOf = async (port: number, servername: string): Promise<string> =>
      (await visitSecurely(port, { servername })).issuer;
    assert.equal(await issuerOf(both.port, "a.example"), "The servers'");
    assert.equal(await issuerOf(both.port, "x.b.example"), "The servers'");
    assert.equal(await issuerOf(both.port, "localhost"), "Ours");
    await using only = await startListening(["tcp", "127.0.0.1:0", ...routes]);
    assert.equal(await issuerOf(only.port, "a.example"), "The servers'");
    await assert.rejects(issuerOf(only.port, "localhost"), /unrecognized name/i);
    await only.program.line(/ refused .*TLS: nobody serves localhost/);
    assert.deepEqual(
      [origin, a, b].map(({ connections }) => connections.length),
      [1, 2, 1],
    );
  });

  test("speaks TLS with servers with --tls and --ca", async () => {
    await using origin = await startTlsEcho();
    await using sluice = await startInside(["tcp", "127.0.0.1:0", origin.address, "--tls", "--ca", ca]);
    await using client = await connectRaw(sluice.port);
    await client.write("plain");
    assert.equal((await client.readExactly(5)).toString(), "plain");
    await using strict = await startListening(["tcp", "127.0.0.1:0", origin.address, "--tls"]);
    await using refused = await connectRaw(strict.port);
    assert.equal((await refused.readToEnd()).length, 0);
    await strict.program.line(/ connect-failed .*to trust it, give whoever signed it as ca/);
  });

  test("makes a certificate with --tls-self-signed", async () => {
    await using origin = await startEcho();
    const flags = ["--tls-self-signed", "--name", "dev.example"];
    const args = ["tcp", "127.0.0.1:0", origin.address, ...flags];
    await using sluice = await startListening(args, { env: { TMPDIR: directory.path } });
    const [, fingerprint] = await sluice.program.line(/dev\.example, for development only\. SHA-256: (\S+)$/);
    const client = connect({ port: sluice.port, servername: "dev.example", rejectUnauthorized: false });
    await once(client, "secureConnect");
    assert.equal(client.getPeerCertificate().fingerprint256, fingerprint);
    client.destroy();
  });

  test("says what it can't use", async () => {
    assert.match(await usageError("--cert", own.cert), /no server to relay to/);
    assert.match(await usageError("5432", "--cert", directory.join("none.pem")), /none\.pem/);
  });
});

test("a configuration opens and passes on in all threads, and takes up new certificates", async () => {
  await using origin = await startEcho();
  await using passed = await startTlsEcho();
  const admin = await freePort();
  await writeIdentity(directory, "rotating", await authority.issue());
  const file = await directory.write(
    "sluice.yaml",
    `threads: 2
admin: ${admin}
listeners:
  - name: both
    bind: 127.0.0.1:0
    protocol: tcp
    upstream: ${origin.address}
    tls:
      cert: rotating.pem
      key: rotating.key
      unknown_names: refuse
      passthrough: [{ names: "*.b.example", upstream: "${passed.address}" }]
`,
  );
  await using sluice = await startListening(["run", "-c", file]);
  const { port } = sluice;
  for (let i = 0; i < 8; i++) {
    assert.equal((await visitSecurely(port)).issuer, "Ours");
    assert.equal((await visitSecurely(port, { servername: "x.b.example" })).issuer, "The servers'");
    await assert.rejects(visitSecurely(port, { servername: "c.example" }), /unrecognized name/i);
  }
  const { session } = await visitSecurely(port);
  for (let i = 0; i < 8; i++) {
    const visit = await visitSecurely(port, { session: session! });
    assert.equal(visit.resumed, true, "whichever thread gave it");
  }
  await using client = await connectRaw(port, { tls: { servername: "localhost", ca: authority.cert } });
  await client.write("hi");
  await client.readExactly(2);
  await writeIdentity(directory, "rotating", await others.issue({ names: ["localhost"] }));
  await until("all threads have the new one", async () => {
    const issuers = new Set<string>();
    for (let i = 0; i < 8; i++) issuers.add((await visitSecurely(port)).issuer);
    return issuers.size === 1 && issuers.has("The servers'");
  });
  await client.write("still");
  assert.equal((await client.readExactly(5)).toString(), "still");
  const api = `http://127.0.0.1:${admin}/proxies/both`;
  const listed = (await (await fetch(`${api}/connections`)).json()) as { tls: unknown }[];
  assert.deepEqual(
    listed.map(({ tls }) => tls),
    [{ server_name: "localhost", version: "TLSv1.3" }],
  );
  for (const enabled of [false, true]) {
    const answer = await fetch(api, { method: "POST", body: JSON.stringify({ enabled }) });
    assert.equal(answer.status, 200);
  }
  assert.notEqual(await client.closed, "here");
  for (let i = 0; i < 4; i++) assert.equal((await visitSecurely(port)).answer, "ping");
});

test("a thread that replaces a crashed one opens what its predecessor did, sessions included", async () => {
  await using origin = await startEcho();
  await using deadly = await createTemporaryDirectory();
  const module = await writeDeadlyToxic(deadly);
  const flags = ["--cert", own.cert, "--key", own.key, "--toxics", module, "--api", "127.0.0.1:0"];
  await using sluice = await startListening(["tcp", "127.0.0.1:0", origin.address, ...flags]);
  const [, api] = await sluice.program.line(/^Admin API on (\S+)$/);
  const { session } = await visitSecurely(sluice.port);
  const client = await connectRaw(sluice.port, { tls: { servername: "localhost", ca: authority.cert } });
  const toxic = JSON.stringify({ name: "bad", type: "deadly", stream: "upstream" });
  await fetch(`${api}/proxies/tcp/toxics`, { method: "POST", body: toxic });
  void client.write("die");
  await client.closed;
  await fetch(`${api}/proxies/tcp/toxics/bad`, { method: "DELETE" });
  await sluice.program.line(/A crashed worker was replaced/);
  const visit = await visitSecurely(sluice.port, { session: session! });
  assert.deepEqual([visit.answer, visit.resumed], ["ping", true]);
});
