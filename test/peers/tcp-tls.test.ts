import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, runProgram, startProgram } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import { startRedis } from "../kit/redis.ts";
import { startTcpProxy } from "../kit/stream-proxy.ts";
import { tlsWith, writeIdentity } from "../kit/tls-proxy.ts";

const authority = await createAuthority();
const directory = await createTemporaryDirectory();
const ca = await directory.write("ca.pem", authority.cert);
const own = await writeIdentity(
  directory,
  "own",
  await authority.issue({ names: ["opened.example", "localhost"] }),
);
const theirs = await writeIdentity(directory, "theirs", await authority.issue({ names: ["passed.example"] }));
after(() => directory[Symbol.asyncDispose]());

async function output(name: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runProgram(findProgram(name)!, args);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe("Redis over TLS", { skip: skipWithout("redis-server", "redis-cli") }, () => {
  let redis: { program: RunningProgram; port: number };
  let securePort = 0;

  before(async () => {
    securePort = await freePort();
    const tls = [
      "--tls-port",
      String(securePort),
      "--tls-cert-file",
      theirs.cert,
      "--tls-key-file",
      theirs.key,
    ];
    redis = await startRedis({ args: [...tls, "--tls-ca-cert-file", ca, "--tls-auth-clients", "no"] });
  });
  after(() => redis.program[Symbol.asyncDispose]());

  const cli = (port: number, ...args: readonly string[]): Promise<string> =>
    output("redis-cli", "-h", "127.0.0.1", "-p", String(port), ...args);

  test("its client speaks TLS, and Redis doesn't", async () => {
    await using proxy = await startTcpProxy([redis.port], { tls: tlsWith([own]) });
    const secure = ["--tls", "--cacert", ca, "--sni", "opened.example"];
    assert.equal(await cli(proxy.port, ...secure, "PING"), "PONG\n");
    const value = "x".repeat(100_000);
    assert.equal(await cli(proxy.port, ...secure, "SET", "key", value), "OK\n");
    assert.equal(await cli(proxy.port, ...secure, "GET", "key"), `${value}\n`);
  });

  test("Redis speaks TLS, and its client doesn't", async () => {
    const upstreamTls = { ca: authority.cert, sni: "passed.example" };
    await using proxy = await startTcpProxy([securePort], { upstreamTls });
    assert.equal(await cli(proxy.port, "PING"), "PONG\n");
  });

  test("both do, through a proxy that opens nothing", async () => {
    const tls = tlsWith([], { "passed.example": `127.0.0.1:${securePort}` });
    await using proxy = await startTcpProxy([], { tls });
    const secure = ["--tls", "--cacert", ca, "--sni", "passed.example"];
    assert.equal(await cli(proxy.port, ...secure, "PING"), "PONG\n");
    assert.match(await proxy.log.next("opened"), /unopened for passed\.example$/);
  });
});

describe("HAProxy behind a proxy", { skip: skipWithout("haproxy", "curl") }, () => {
  let haproxy: RunningProgram;
  const ports = { plain: 0, secure: 0 };

  before(async () => {
    ports.plain = await freePort();
    ports.secure = await freePort();
    const pem = await directory.write(
      "theirs-both.pem",
      `${await readFile(theirs.cert, "utf8")}\n${await readFile(theirs.key, "utf8")}`,
    );
    const answer =
      'http-request return status 200 content-type text/plain lf-string "%[src] %[fc_pp_authority]"';
    const file = await directory.write(
      "haproxy.cfg",
      `defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 10s
frontend plain
  bind 127.0.0.1:${ports.plain} accept-proxy
  ${answer}
frontend secure
  bind 127.0.0.1:${ports.secure} accept-proxy ssl crt ${pem}
  ${answer}
`,
    );
    haproxy = await startProgram(findProgram("haproxy")!, ["-f", file]);
    await until("HAProxy listens", () =>
      connectRaw(ports.secure).then(
        (client) => client[Symbol.asyncDispose]().then(() => true),
        () => false,
      ),
    );
  });
  after(() => haproxy[Symbol.asyncDispose]());

  test("hears of the client and of the name that it asked for", async () => {
    const tls = tlsWith([own], { "passed.example": `127.0.0.1:${ports.secure}` });
    const settings = { tls, sendProxyProtocol: 2 } as const;
    await using proxy = await startTcpProxy([ports.plain], settings);
    for (const [name, ...versions] of [
      ["opened.example", "--tlsv1.3"],
      ["opened.example", "--tls-max", "1.2"],
      ["passed.example", "--tlsv1.3"],
      ["passed.example", "--tls-max", "1.2"],
    ] as const) {
      const url = `https://${name}:${proxy.port}/`;
      const resolve = ["--resolve", `${name}:${proxy.port}:127.0.0.1`, "--interface", "127.0.0.5"];
      const told = await output("curl", "-sS", "--cacert", ca, ...resolve, ...versions, url);
      assert.equal(told, `127.0.0.5 ${name}`);
    }
  });
});
