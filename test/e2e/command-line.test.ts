import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { runProgram, startSluice } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { get, startHttp, startListening } from "./sluice.ts";

const bin = new URL("../../bin/sluice.js", import.meta.url).pathname;

function run(...args: readonly string[]): ReturnType<typeof runProgram> {
  return runProgram(process.execPath, [bin, ...args]);
}

function echoed(response: RawResponse): EchoAnswer {
  return JSON.parse(response.body.toString()) as EchoAnswer;
}

function fieldOf(echo: EchoAnswer, name: string): string | undefined {
  const at = echo.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return at === -1 ? undefined : echo.rawHeaders[at + 1];
}

describe("sluice http", () => {
  for (const [threads, where] of [
    ["0", "in the main thread"],
    ["1", "in 1 thread"],
    ["2", "in 2 threads"],
  ] as const) {
    test(`serves ${where} and prints the port it got`, async () => {
      await using origin = await startOrigin();
      await using sluice = await startHttp([origin.address], "--threads", threads);
      assert.match(sluice.program.stdout, new RegExp(`^Listening on 127\\.0\\.0\\.1:\\d+ ${where}\n$`));
      for (let i = 0; i < 8; i++) assert.equal((await get(sluice.port)).body.toString(), "origin\n");
      sluice.program.signal("SIGTERM");
      assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
    });
  }

  test("takes --ba, --pa and --cp for --bind, --upstream and --context-path", async () => {
    await using origin = await startOrigin();
    await using sluice = await startListening([
      "http",
      ...["--ba", "127.0.0.1:0", "--pa", origin.address, "--cp", "/echo", "--threads", "1"],
    ]);
    assert.equal((await get(sluice.port, "/echo")).status, 200);
    assert.equal((await get(sluice.port, "/")).status, 404);
  });

  test("spreads requests over all servers, and listens everywhere it is told to", async () => {
    await using one = await startOrigin({ name: "one" });
    await using two = await startOrigin({ name: "two" });
    const binds = ["--bind", "127.0.0.1:0", "--bind", "localhost:0", "--threads", "1"];
    const upstreams = ["--upstream", one.address, "--upstream", two.address];
    await using sluice = await startListening(["http", ...binds, ...upstreams], { listeners: 2 });
    const ports = sluice.addresses.map((address) => Number(address.split(":").at(-1)));
    assert.equal(new Set(ports).size, 2);
    for (const port of ports) {
      const names = new Set([(await get(port)).body.toString(), (await get(port)).body.toString()]);
      assert.deepEqual(names, new Set(["one\n", "two\n"]));
    }
  });

  test("answers 404 outside of the context path and asks nobody", async () => {
    await using origin = await startOrigin();
    await using sluice = await startHttp([origin.address], "--context-path", "/echo/", "--threads", "1");
    const inside = ["/echo", "/echo/", "/echo/deep?a=b", "/%65cho"];
    for (const path of inside) await get(sluice.port, path);
    for (const path of ["/", "/echoes", "/ech", "/other/echo"]) {
      assert.equal((await get(sluice.port, path)).status, 404, path);
    }
    assert.deepEqual(
      origin.requests.map(({ url }) => url),
      inside,
    );
  });

  test("gives servers another Host with --host, else the client's", async () => {
    await using origin = await startOrigin();
    await using plain = await startHttp([origin.address], "--threads", "1");
    assert.equal(fieldOf(echoed(await get(plain.port, "/echo")), "host"), "a.example");
    await using sluice = await startHttp([origin.address], "--host", "api.example:81", "--threads", "1");
    assert.equal(fieldOf(echoed(await get(sluice.port, "/echo")), "host"), "api.example:81");
  });

  test("speaks IPv6 on both sides", async () => {
    await using origin = await startOrigin({ host: "::1" });
    const flags = ["--upstream", origin.address, "--threads", "2"];
    await using sluice = await startListening(["http", "--bind", "[::1]:0", ...flags]);
    assert.match(sluice.addresses[0] ?? "", /^\[::1\]:\d+$/);
    const response = await get({ host: "::1", port: sluice.port }, "/echo");
    assert.equal(fieldOf(echoed(response), "x-forwarded-for"), "::1");
  });

  test("listens on all interfaces without a host", async () => {
    await using origin = await startOrigin();
    const flags = ["--upstream", String(origin.port), "--threads", "1"];
    await using sluice = await startListening(["http", "--bind", ":0", ...flags]);
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      assert.equal((await get({ host, port: sluice.port })).status, 200);
    }
  });
});

test("sluice http listens on several ports of the kernel's choice", async () => {
  await using origin = await startOrigin();
  const flags = ["--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0", "--upstream", origin.address];
  await using sluice = await startListening(["http", ...flags, "--threads", "2"], { listeners: 2 });
  assert.equal(new Set(sluice.addresses).size, 2);
  for (const address of sluice.addresses) {
    assert.equal((await get(Number(address.split(":")[1]))).status, 200);
  }
});

describe("Unix sockets", () => {
  for (const threads of ["0", "2"]) {
    test(`on both sides, with ${threads} threads; the file goes with the program`, async () => {
      await using directory = await createTemporaryDirectory();
      const [path, upstream] = [directory.join("front"), directory.join("back")];
      await using origin = await startOrigin({ path: upstream });
      const flags = ["--bind", `unix:${path}`, "--upstream", `unix:${upstream}`, "--threads", threads];
      await using sluice = await startListening(["http", ...flags]);
      assert.deepEqual(sluice.addresses, [`unix:${path}`]);
      for (let i = 0; i < 8; i++) assert.equal((await get({ path })).status, 200);
      assert.equal(origin.requests.length, 8);
      sluice.program.signal("SIGTERM");
      assert.equal((await sluice.program.exit()).code, 0);
      assert.equal(existsSync(path), false);
    });
  }

  test("left behind by a killed program are taken over; ones in use are not", async () => {
    await using directory = await createTemporaryDirectory();
    await using origin = await startOrigin();
    const path = directory.join("front");
    const flags = ["http", "--bind", `unix:${path}`, "--upstream", origin.address, "--threads", "2"];
    const killed = await startListening(flags);
    await killed[Symbol.asyncDispose]();
    assert.equal(existsSync(path), true);
    await using sluice = await startListening(flags);
    const { code, stderr } = await run(...flags);
    assert.equal(code, 1);
    assert.match(stderr, /^sluice: Can't listen on unix:\S+: another program listens there already\n$/);
    assert.equal((await get({ path })).status, 200);
    assert.equal(sluice.program.stderr, "");
  });
});

describe("wrong usage", () => {
  const cases: readonly (readonly [what: string, args: readonly string[], says: RegExp])[] = [
    ["no address to listen on", ["http", "--upstream", "1"], /no address to listen on: .*--bind/],
    ["no server", ["http", "--bind", ":0"], /no upstream: .*--upstream/],
    ["an address that is none", ["http", "--bind", "a:b:c", "--upstream", "1"], /--bind.*a:b:c/],
    ["a server that is none", ["http", "--bind", ":0", "--upstream", "x:99999"], /--upstream.*x:99999/],
    ["too many threads", ["http", "--threads", "1000"], /--threads.*256/],
    ["threads that are no number", ["http", "--threads", "two"], /--threads.*two/],
    ["an unknown log level", ["http", "--log-level", "loud"], /--log-level.*loud/],
    ["an unknown access log", ["http", "--access-log", "w3c"], /--access-log.*w3c/],
    ["an unknown policy", ["http", "--balance", "fairest"], /--balance.*fairest.*round_robin/],
    ["an interval that is none", ["http", "--active-health-check-interval", "often"], /often.*seconds/],
    ["requests that can't be counted", ["http", "--max-requests-per-minute", "1.5"], /1\.5.*whole number/],
    [
      "a health check of no path",
      ["http", "--bind", ":0", "--upstream", "1", "--active-health-check-path", "up"],
      /^--active-health-check-path: "up" doesn't begin with a slash/,
    ],
    [
      "an API nowhere",
      ["http", "--bind", ":0", "--upstream", "1", "--admin", "nowhere"],
      /^--admin: found "nowhere"/,
    ],
    ["an unknown option", ["http", "--bindd", ":0"], /--bindd/],
    ["an unknown command", ["htp"], /htp/],
    [
      "a context path that is none",
      ["http", "--bind", ":0", "--upstream", "1", "--cp", "x"],
      /--context-path/,
    ],
    ["nothing to run", ["run"], /nothing to run/],
    ["a configuration that is missing", ["run", "missing.yaml"], /missing\.yaml/],
    ["a program that is missing", ["run", "missing.ts"], /missing\.ts: there is no such file/],
    ["two configurations", ["run", "one.yaml", "-c", "two.yaml"], /one\.yaml.*two\.yaml/],
  ];
  for (const [what, args, says] of cases) {
    test(`${what} is one line on stderr and exit code 2`, async () => {
      const { code, stdout, stderr } = await run(...args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, /^[^\n]+\n$/);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /\bat .*:\d+:\d+|node:internal/);
    });
  }

  test("a busy port is one line on stderr and exit code 1", async () => {
    await using other = await startOrigin();
    const { port } = other;
    for (const threads of ["0", "2"]) {
      const flags = ["--bind", `127.0.0.1:${port}`, "--upstream", "1", "--threads", threads];
      const { code, stdout, stderr } = await run("http", ...flags);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, new RegExp(`^sluice: .*127\\.0\\.0\\.1:${port}.*listens there already\n$`));
    }
  });

  test("help and version are no errors", async () => {
    const help = await run("http", "--help");
    assert.deepEqual([help.code, help.stderr], [0, ""]);
    assert.match(help.stdout, /--context-path <path>/);
    const version = await run("--version");
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(version.code, 0);
  });

  test("the schema is JSON", async () => {
    const { code, stdout } = await run("schema");
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { title: string }).title, "Configuration of Sluice");
  });
});

describe("logs", () => {
  test("of requests go to stdout, combined", async () => {
    await using origin = await startOrigin();
    await using sluice = await startHttp([origin.address], "--access-log", "combined", "--threads", "2");
    await get(sluice.port, "/bytes/10?x", "Referer: http://r.example/", 'User-Agent: a "quoted" one');
    const [line] = await sluice.program.line(/^.*GET.*$/);
    const date = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]`;
    const rest = String.raw`"GET /bytes/10\?x HTTP/1\.1" 200 10 "http://r\.example/" "a \\"quoted\\" one"`;
    assert.match(line, new RegExp(`^127\\.0\\.0\\.1 - - ${date} ${rest}$`));
  });

  test("of requests go to stdout, as JSON", async () => {
    await using origin = await startOrigin();
    await using sluice = await startHttp([origin.address], "--access-log", "json", "--threads", "2");
    await get(sluice.port, "/status/404");
    const [line] = await sluice.program.line(/^\{.*"method".*$/);
    const entry = JSON.parse(line) as Record<string, unknown>;
    const expected = { client: "127.0.0.1", method: "GET", host: "a.example", target: "/status/404" };
    for (const [key, value] of Object.entries({ ...expected, status: 404, bytes_sent: 4, error: null })) {
      assert.equal(entry[key], value, key);
    }
    assert.equal(entry["upstream"], origin.address);
  });

  test("of failures go to stderr, as much as the level lets through", async () => {
    await using origin = await startOrigin();
    await using sluice = await startHttp([origin.address], "--threads", "1");
    assert.equal((await get(sluice.port, "/drop")).status, 502);
    const [line] = await sluice.program.line(/^.*UPSTREAM.*$/);
    const entry = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual([entry["code"], entry["source"]], ["UPSTREAM_CLOSED", "upstream"]);

    await using silent = await startHttp([origin.address], "--log-level", "error", "--threads", "1");
    assert.equal((await get(silent.port, "/drop")).status, 502);
    silent.program.signal("SIGTERM");
    await silent.program.exit();
    assert.equal(silent.program.stderr, "");
  });

  test("and the start are JSON lines with --json", async () => {
    await using origin = await startOrigin();
    const flags = ["--bind", "127.0.0.1:0", "--upstream", origin.address, "--threads", "2", "--json"];
    await using program = await startSluice(["http", ...flags]);
    const [line] = await program.line(/^\{.*$/);
    const { event, addresses, threads, pid } = JSON.parse(line) as {
      readonly event: string;
      readonly addresses: readonly string[];
      readonly threads: number;
      readonly pid: number;
    };
    assert.deepEqual([event, addresses.length, threads, pid], ["listening", 1, 2, program.pid]);
    assert.equal((await get(Number(addresses[0]?.split(":").at(-1)))).status, 200);
  });
});

describe("the demonstration", () => {
  test("answers at the address it prints, and ends on SIGINT", async () => {
    await using program = await startSluice([], { env: { NO_COLOR: "1" } });
    const [, port] = await program.line(/curl -i http:\/\/127\.0\.0\.1:(\d+)\//);
    const origins = new Set<string | undefined>();
    for (let i = 0; i < 6; i++) {
      const response = await get(Number(port));
      assert.equal(response.status, 200);
      origins.add(response.header("x-origin"));
    }
    assert.equal(origins.size, 3);
    await program.line(/GET \S+ +200 +origin/);
    program.signal("SIGINT");
    assert.deepEqual(await program.exit(), { code: 0, signal: null });
    assert.match(program.stdout, /\d+ requests, \d+ bytes of answers/);
    await assert.rejects(connectRaw(Number(port)), /ECONNREFUSED/);
  });
});
