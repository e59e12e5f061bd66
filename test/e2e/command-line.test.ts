import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { startOrigin } from "../kit/origins.ts";
import { runSluice, startSluice } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { type InsideSluice, runInside, startInside } from "./inside.ts";
import { get, type RunningSluice, startHttp, startListening } from "./sluice.ts";

/** `sluice http` in this process. */
function startHttpInside(upstream: string, ...flags: readonly string[]): Promise<InsideSluice> {
  return startInside(["http", "--bind", "127.0.0.1:0", "--upstream", upstream, ...flags]);
}

function echoed(response: RawResponse): EchoAnswer {
  return JSON.parse(response.body.toString()) as EchoAnswer;
}

function fieldOf(echo: EchoAnswer, name: string): string | undefined {
  const at = echo.rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return at === -1 ? undefined : echo.rawHeaders[at + 1];
}

describe("sluice http", () => {
  test("takes --ba, --pa and --cp for --bind, --upstream and --context-path", async () => {
    await using origin = await startOrigin();
    const flags = ["--ba", "127.0.0.1:0", "--pa", origin.address, "--cp", "/echo"];
    await using sluice = await startInside(["http", ...flags]);
    assert.equal((await get(sluice.port, "/echo")).status, 200);
    assert.equal((await get(sluice.port, "/")).status, 404);
  });

  test("spreads requests over all servers, and listens everywhere it is told to", async () => {
    await using one = await startOrigin({ name: "one" });
    await using two = await startOrigin({ name: "two" });
    const binds = ["--bind", "127.0.0.1:0", "--bind", "localhost:0"];
    const upstreams = ["--upstream", one.address, "--upstream", two.address];
    await using sluice = await startInside(["http", ...binds, ...upstreams]);
    const ports = sluice.addresses.map((address) => Number(address.split(":").at(-1)));
    assert.equal(new Set(ports).size, 2);
    for (const port of ports) {
      const names = new Set([(await get(port)).body.toString(), (await get(port)).body.toString()]);
      assert.deepEqual(names, new Set(["one\n", "two\n"]));
    }
  });

  test("answers 404 outside of the context path and asks nobody", async () => {
    await using origin = await startOrigin();
    await using sluice = await startHttpInside(origin.address, "--context-path", "/echo/");
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
    await using plain = await startHttpInside(origin.address);
    assert.equal(fieldOf(echoed(await get(plain.port, "/echo")), "host"), "a.example");
    await using sluice = await startHttpInside(origin.address, "--host", "api.example:81");
    assert.equal(fieldOf(echoed(await get(sluice.port, "/echo")), "host"), "api.example:81");
  });

  test("listens on several ports of the kernel's choice in threads, and ends on SIGTERM", async () => {
    await using origin = await startOrigin({ host: "::1" });
    const binds = ["--bind", "[::1]:0", "--bind", "127.0.0.1:0", "--bind", "127.0.0.1:0"];
    const flags = [...binds, "--upstream", origin.address, "--threads", "2"];
    await using sluice = await startListening(["http", ...flags], { listeners: 3 });
    assert.match(
      sluice.program.stdout,
      /^Listening on \[::1\]:\d+ in 2 threads\n(Listening on 127\.0\.0\.1:\d+ in 2 threads\n){2}$/,
    );
    const response = await get({ host: "::1", port: sluice.port }, "/echo");
    assert.equal(fieldOf(echoed(response), "x-forwarded-for"), "::1");
    const others = sluice.addresses.slice(1);
    assert.equal(new Set(others).size, 2);
    for (const address of others) {
      const port = Number(address.split(":")[1]);
      for (let i = 0; i < 4; i++) assert.equal((await get(port)).body.toString(), "origin\n");
    }
    sluice.program.signal("SIGTERM");
    assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
  });

  test("listens on all interfaces without a host", async () => {
    await using origin = await startOrigin();
    await using sluice = await startInside(["http", "--bind", ":0", "--upstream", String(origin.port)]);
    for (const host of ["127.0.0.1", "127.0.0.2"]) {
      assert.equal((await get({ host, port: sluice.port })).status, 200);
    }
  });
});

/** Ends it as its process is ended; its exit code. */
async function terminate(sluice: InsideSluice | RunningSluice): Promise<number | null> {
  if ("end" in sluice) return await sluice.end("SIGTERM");
  sluice.program.signal("SIGTERM");
  return (await sluice.program.exit()).code;
}

describe("Unix sockets", () => {
  for (const threads of [0, 2]) {
    test(`on both sides, with ${threads} threads; the file goes with the program`, async () => {
      await using directory = await createTemporaryDirectory();
      const [path, upstream] = [directory.join("front"), directory.join("back")];
      await using origin = await startOrigin({ path: upstream });
      const args = ["http", "--bind", `unix:${path}`, "--upstream", `unix:${upstream}`];
      await using sluice =
        threads === 0 ? await startInside(args) : await startListening([...args, "--threads", `${threads}`]);
      assert.deepEqual(sluice.addresses, [`unix:${path}`]);
      for (let i = 0; i < 8; i++) assert.equal((await get({ path })).status, 200);
      assert.equal(origin.requests.length, 8);
      assert.equal(await terminate(sluice), 0);
      assert.equal(existsSync(path), false);
    });
  }

  test("left behind by a killed program are taken over; ones in use are not", async () => {
    await using directory = await createTemporaryDirectory();
    await using origin = await startOrigin();
    const path = directory.join("front");
    const flags = ["http", "--bind", `unix:${path}`, "--upstream", origin.address];
    const killed = await startListening([...flags, "--threads", "1"]);
    await killed[Symbol.asyncDispose]();
    assert.equal(existsSync(path), true);
    await using _ = await startInside(flags);
    const { code, stderr } = await runInside(flags);
    assert.equal(code, 1);
    assert.match(stderr, /^sluice: Can't listen on unix:\S+: another program listens there already\n$/);
    assert.equal((await get({ path })).status, 200);
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
      const { code, stdout, stderr } = await runInside(args);
      assert.deepEqual([code, stdout], [2, ""], stderr);
      assert.match(stderr, /^[^\n]+\n$/);
      assert.match(stderr, says);
      assert.doesNotMatch(stderr, /\bat .*:\d+:\d+|node:internal/);
    });
  }

  test("ends the process with that code", async () => {
    const { code, stdout, stderr } = await runSluice(["run", "missing.yaml"]);
    assert.deepEqual([code, stdout], [2, ""], stderr);
    assert.match(stderr, /^missing\.yaml: [^\n]+\n$/);
  });

  test("a busy port is one line on stderr and exit code 1", async () => {
    await using other = await startOrigin();
    const { port } = other;
    for (const threads of ["0", "2"]) {
      const flags = ["--bind", `127.0.0.1:${port}`, "--upstream", "1", "--threads", threads];
      const run = threads === "0" ? runInside : runSluice;
      const { code, stdout, stderr } = await run(["http", ...flags]);
      assert.deepEqual([code, stdout], [1, ""]);
      assert.match(stderr, new RegExp(`^sluice: .*127\\.0\\.0\\.1:${port}.*listens there already\n$`));
    }
  });

  test("help and version are no errors", async () => {
    const help = await runInside(["http", "--help"]);
    assert.deepEqual([help.code, help.stderr], [0, ""]);
    assert.match(help.stdout, /--context-path <path>/);
    const version = await runSluice(["--version"]);
    assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
    assert.equal(version.code, 0);
  });

  test("the schema is JSON", async () => {
    const { code, stdout } = await runInside(["schema"]);
    assert.equal(code, 0);
    assert.equal((JSON.parse(stdout) as { title: string }).title, "Configuration of Sluice");
  });
});

describe("logs", () => {
  test("of requests go to stdout, combined, and of failures to nowhere if the level says so", async () => {
    await using origin = await startOrigin();
    const flags = ["--access-log", "combined", "--log-level", "error", "--threads", "1"];
    await using sluice = await startHttp([origin.address], ...flags);
    assert.match(sluice.program.stdout, / in 1 thread\n$/);
    await get(sluice.port, "/bytes/10?x", "Referer: http://r.example/", 'User-Agent: a "quoted" one');
    const [line] = await sluice.program.line(/^.*GET.*$/);
    const date = String.raw`\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\]`;
    const rest = String.raw`"GET /bytes/10\?x HTTP/1\.1" 200 10 "http://r\.example/" "a \\"quoted\\" one"`;
    assert.match(line, new RegExp(`^127\\.0\\.0\\.1 - - ${date} ${rest}$`));
    assert.equal((await get(sluice.port, "/drop")).status, 502);
    sluice.program.signal("SIGTERM");
    await sluice.program.exit();
    assert.equal(sluice.program.stderr, "");
  });

  test("of requests and the start go to stdout, as JSON, and of failures to stderr", async () => {
    await using origin = await startOrigin();
    const flags = ["--bind", "127.0.0.1:0", "--upstream", origin.address, "--threads", "2", "--json"];
    await using program = await startSluice(["http", ...flags, "--access-log", "json"]);
    const [started] = await program.line(/^\{.*$/);
    const { event, addresses, threads, pid } = JSON.parse(started) as {
      readonly event: string;
      readonly addresses: readonly string[];
      readonly threads: number;
      readonly pid: number;
    };
    assert.deepEqual([event, addresses.length, threads, pid], ["listening", 1, 2, program.pid]);
    const port = Number(addresses[0]?.split(":").at(-1));
    await get(port, "/status/404");
    const [line] = await program.line(/^\{.*"method".*$/);
    const entry = JSON.parse(line) as Record<string, unknown>;
    const expected = { client: "127.0.0.1", method: "GET", host: "a.example", target: "/status/404" };
    for (const [key, value] of Object.entries({ ...expected, status: 404, bytes_sent: 4, error: null })) {
      assert.equal(entry[key], value, key);
    }
    assert.equal(entry["upstream"], origin.address);
    assert.equal((await get(port, "/drop")).status, 502);
    const [failure] = await program.line(/^\{"level":.*"UPSTREAM_.*$/);
    const { code, source } = JSON.parse(failure) as Record<string, unknown>;
    assert.deepEqual([code, source], ["UPSTREAM_CLOSED", "upstream"]);
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
