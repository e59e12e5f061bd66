import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { ConnectionOptions } from "node:tls";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, runProgram, startSluice } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { runInside, startInside } from "./inside.ts";

const root = join(import.meta.dirname, "..", "..");

/** An example that runs as its head says. */
class Example implements AsyncDisposable {
  readonly ports: readonly number[];
  readonly #sluice: Sluice;

  constructor(addresses: readonly string[], sluice: Sluice) {
    this.ports = addresses.map((address) => Number(address.split(":").at(-1)));
    this.#sluice = sluice;
  }

  get port(): number {
    return this.ports[0] ?? 0;
  }

  /** Sends a request on a connection of its own. */
  async ask(head: string, port: number = this.port, localAddress?: string): Promise<RawResponse> {
    const options = localAddress === undefined ? {} : { localAddress };
    await using client = await connectRaw(port, options);
    const [method = "GET", target = "/"] = head.split(/[ \r]/);
    const [, ...lines] = head.split("\r\n");
    const request = [`${method} ${target} HTTP/1.1`, "Host: site.example", ...lines];
    const end = lines.includes("") ? "" : "\r\n\r\n";
    return await client.exchange(request.join("\r\n") + end, { method });
  }

  async get(target: string, ...lines: readonly string[]): Promise<string> {
    const response = await this.ask([`GET ${target}`, ...lines].join("\r\n"));
    assert.equal(response.status, 200, response.body.toString());
    return response.body.toString();
  }

  /** Waits until it has printed such a line. */
  line(pattern: RegExp): Promise<readonly string[]> {
    return this.#sluice.line(pattern);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sluice[Symbol.asyncDispose]();
  }
}

/** What prints and can be ended, in this process or in its own. */
interface Sluice extends AsyncDisposable {
  line(pattern: RegExp): Promise<readonly string[]>;
}

const ANYWHERE = ["--bind", "127.0.0.1:0"];

/** Runs an example here. A module reads its environment once: who needs it twice has it run in a process. */
async function run(
  name: string,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = ANYWHERE,
): Promise<Example> {
  const sluice = await startInside(["run", join(root, "examples", name), ...flags], env);
  return new Example(sluice.addresses, sluice);
}

/** Runs an example in a process of its own, in a worker thread unless `flags` say otherwise. */
async function start(
  name: string,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Promise<{ program: RunningProgram; example: Example } & AsyncDisposable> {
  const args = ["run", join("examples", name), ...ANYWHERE, "--threads", "1", ...flags, "--json"];
  const program = await startSluice(args, { cwd: root, env });
  const [line] = await program.line(/^\{"event":"listening".*$/);
  const { addresses } = JSON.parse(line) as { addresses: string[] };
  const example = new Example(addresses, program);
  return { program, example, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}

/** What the origin's /echo got. */
async function echoed(example: Example, head: string, port?: number): Promise<EchoAnswer> {
  const response = await example.ask(head, port);
  assert.equal(response.status, 200);
  return JSON.parse(response.body.toString()) as EchoAnswer;
}

function fieldOf({ rawHeaders }: EchoAnswer, name: string): string | undefined {
  const index = rawHeaders.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return index === -1 ? undefined : rawHeaders[index + 1];
}

async function startTwo(): Promise<{ one: Origin; two: Origin } & AsyncDisposable> {
  const [one, two] = await Promise.all([startOrigin({ name: "one" }), startOrigin({ name: "two" })]);
  return {
    one,
    two,
    async [Symbol.asyncDispose]() {
      await Promise.all([one[Symbol.asyncDispose](), two[Symbol.asyncDispose]()]);
    },
  };
}

describe("the example", () => {
  test("gateway routes by path, forbids, and changes headers", async () => {
    await using origins = await startTwo();
    const { one, two } = origins;
    for (const origin of [one, two]) {
      for (const path of ["/family/", "/login", "/other"]) {
        origin.handle(path, ({ response }) => {
          response.setHeader("Server", "Origin");
          response.setHeader("Alt-Svc", "h3");
          response.end(origin.name);
        });
      }
    }
    await using started = await start("gateway.ts", { FAMILY: one.address, OTHERS: two.address });
    const { example } = started;
    assert.equal(await example.get("/family/"), "one");
    assert.equal(await example.get("/other"), "two");
    assert.equal(await example.get("/login", "Authorization: password"), "two");
    const forbidden = await example.ask("GET /login");
    assert.deepEqual([forbidden.status, forbidden.body.toString()], [403, "no way!\n"]);
    const answer = await example.ask("GET /other");
    assert.deepEqual([answer.header("server"), answer.header("alt-svc")], ["MyGateway", undefined]);
    assert.equal(one.requests.length + two.requests.length, 4);
  });

  test("load-balancer takes turns, and calls the site by its name", async () => {
    await using origins = await startTwo();
    const { one, two } = origins;
    await using example = await run("load-balancer.ts", { SERVERS: `${one.address},${two.address}` });
    const answers: string[] = [];
    for (let i = 0; i < 4; i++) answers.push((await example.get("/")).trim());
    assert.deepEqual(answers.toSorted(), ["one", "one", "two", "two"]);
    assert.equal(one.requests[0]?.headers.host, "one.one.one.one");
  });

  test("healthy-balancer leaves out a server that is ill, and takes it again", async () => {
    await using origins = await startTwo();
    const { one, two } = origins;
    let status = 500;
    for (const origin of [one, two])
      origin.handle("/health", ({ response }) => {
        response.statusCode = origin === one ? 200 : status;
        response.end();
      });
    const env = { SERVERS: `${one.address},${two.address}`, INTERVAL: "50" };
    await using example = await run("healthy-balancer.ts", env);
    await example.line(new RegExp(`^${two.address} is down: status 500$`));
    for (let i = 0; i < 4; i++) assert.equal(await example.get("/"), "one\n");
    status = 200;
    await example.line(new RegExp(`^${two.address} is up: answers again$`));
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push((await example.get("/")).trim());
    assert.deepEqual(answers.toSorted(), ["one", "one", "two", "two"]);
  });

  test("context remembers what a session is, and counts", async () => {
    await using origins = await startTwo();
    const { one, two } = origins;
    await using example = await run("context.ts", { STABLE: one.address, BETA: two.address });
    assert.equal(await example.get("/"), "one\n");
    assert.equal(await example.get("/", "Beta-Flag: 1"), "two\n");
    assert.equal((await example.ask("GET /")).header("x-request-number"), "3");
    await example.line(/^User 1 of the beta, request 2 of all$/);
  });

  test("headers sets, adds and removes both ways", async () => {
    await using origin = await startOrigin();
    origin.handle("/v2/page", ({ request, response }) => {
      response.setHeader("X-Powered-By", "Old Ware");
      response.setHeader("Set-Cookie", "a=1");
      response.end(JSON.stringify(request.headers));
    });
    await using example = await run("headers.ts", { ORIGIN: origin.address });
    const response = await example.ask("GET /page?q\r\nCookie: secret=1\r\nX-Request-Id: mine");
    const received = JSON.parse(response.body.toString()) as Record<string, string>;
    assert.deepEqual(
      [received["x-real-ip"], received["cookie"], received["x-request-id"]],
      ["127.0.0.1", undefined, "mine"],
    );
    assert.equal(origin.requests[0]?.url, "/v2/page?q");
    assert.equal(response.header("set-cookie"), "a=1, seen=1; Path=/");
    assert.equal(response.header("x-powered-by"), undefined);
    assert.equal(response.header("x-cookies"), "2");
    assert.match((await example.ask("GET /page")).header("x-request-id") ?? "", /^[\da-f-]{36}$/);
  });

  test("rewrite-body redacts JSON and lets the rest through", async () => {
    await using origin = await startOrigin();
    const user = { name: "ann", password: "x".repeat(100_000), nested: [{ token: 1 }] };
    origin.handle("/user", ({ response }) => {
      response.setHeader("Content-Type", "application/json; charset=utf-8");
      response.setHeader("ETag", '"1"');
      response.end(JSON.stringify(user));
    });
    origin.handle("/big", ({ response }) => {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify("x".repeat(2_000_000)));
    });
    await using example = await run("rewrite-body.ts", { ORIGIN: origin.address });
    const response = await example.ask("GET /user\r\nAccept-Encoding: gzip");
    assert.equal(response.body.toString(), '{"name":"ann","password":"…","nested":[{"token":"…"}]}');
    assert.equal(response.framing, "chunked");
    assert.equal(response.header("etag"), undefined);
    assert.equal(origin.requests[0]?.headers["accept-encoding"], undefined);
    const bytes = await example.ask("GET /bytes/300000");
    assert.deepEqual([bytes.body.length, bytes.framing], [300_000, "length"]);
    await assert.rejects(example.ask("GET /big"));
  });

  test("several-services runs them side by side, each with its limits", async () => {
    await using origins = await startTwo();
    const { one, two } = origins;
    const here = "127.0.0.1:0";
    const env = { SHOP: one.address, API: two.address, PUBLIC: here, INTERNAL: here, STATUS: here };
    await using example = await run("several-services.ts", env, []);
    const [publicPort = 0, internalPort = 0, statusPort = 0] = example.ports;
    assert.equal((await example.ask("GET /", publicPort)).body.toString(), "one\n");
    assert.equal((await example.ask("GET /", internalPort)).body.toString(), "two\n");
    assert.equal((await example.ask("GET /health", statusPort)).body.toString(), "good\n");
    assert.equal((await example.ask("GET /else", statusPort)).status, 404);
    const forwarded = await echoed(example, "GET /echo", internalPort);
    assert.equal(fieldOf(forwarded, "x-forwarded-for"), "127.0.0.1");
    const large = await example.ask("POST /echo\r\nContent-Length: 1048577", internalPort);
    assert.equal(large.status, 413);
  });

  test("retry-backoff asks again, later each time, and then somebody else", async () => {
    await using spare = await startOrigin({ name: "spare" });
    const closed = `127.0.0.1:${await freePort()}`;
    await using example = await run("retry-backoff.ts", { MAIN: closed, SPARE: spare.address });
    const start = performance.now();
    assert.equal(await example.get("/"), "spare\n");
    assert.ok(performance.now() - start >= 10 + 20 + 40, "it waited");
    // A server that breaks off: only what reads is asked again.
    assert.equal((await example.ask("GET /drop")).status, 502);
    const before = spare.requests.length;
    assert.equal((await example.ask("POST /drop\r\nContent-Length: 0")).status, 502);
    assert.equal(spare.requests.length, before + 1);
  });

  test("retry-backoff says in the end that nobody is there", async () => {
    const closed = `127.0.0.1:${await freePort()}`;
    await using started = await start("retry-backoff.ts", { MAIN: closed, SPARE: closed });
    const { example } = started;
    const response = await example.ask("GET /");
    assert.deepEqual([response.status, response.header("retry-after")], [502, "5"]);
    assert.equal(response.body.toString(), "Nobody is there, after 4 tries (UPSTREAM_CONNECT_REFUSED)\n");
  });

  test("failover has another server answer, and a second one beside a slow one", async () => {
    const closed = `127.0.0.1:${await freePort()}`;
    const busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    await using refusing = await startRawOrigin([{ read: "request" }, { send: busy }]);
    await using silent = await startRawOrigin([{ read: "request" }]);
    await using good = await startOrigin({ name: "good" });
    await using example = await run("failover.ts", {
      SERVERS: [closed, refusing.address, good.address].join(),
    });
    assert.equal(await example.get("/"), "good\n");
    await using other = await start("failover.ts", { SERVERS: [silent.address, good.address].join() });
    assert.equal(await other.example.get("/"), "good\n");
    assert.equal(good.requests.length, 2);
  });

  test("connection-filter lets no one in from a blocked address", async () => {
    await using origin = await startOrigin();
    await using example = await run("connection-filter.ts", {
      ORIGIN: origin.address,
      BLOCKED: "127.0.0.2,127.1.0.0/16",
    });
    assert.equal(await example.get("/"), "origin\n");
    assert.equal((await example.ask("GET /", example.port, "127.0.0.3")).status, 200);
    await assert.rejects(example.ask("GET /", example.port, "127.0.0.2"));
    await assert.rejects(example.ask("GET /", example.port, "127.1.2.3"));
    assert.equal(origin.requests.length, 2);
  });

  test("echo gives everything back and ends with its client", async () => {
    await using example = await run("echo.ts");
    await using client = await connectRaw(example.port);
    client.end("hello\n");
    assert.equal((await client.readToEnd()).toString(), "hello\n");
  });

  test("http-service reads bodies, streams bodies, and knows nothing else", async () => {
    await using example = await run("http-service.ts");
    const post = await example.ask("POST /upper\r\nContent-Length: 5\r\n\r\nhello");
    assert.equal(post.body.toString(), "HELLO");
    const tooLarge = await example.ask(
      `POST /upper\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n${"x".repeat(65_537)}`,
    );
    assert.equal(tooLarge.status, 413);
    const upload = await example.ask(`PUT /size\r\nContent-Length: 3000000\r\n\r\n${"x".repeat(3_000_000)}`);
    assert.equal(upload.body.toString(), "3000000\n");
    const count = await example.ask("GET /count");
    assert.deepEqual([count.framing, count.body.toString()], ["chunked", "1\n2\n3\n4\n5\n"]);
    assert.equal((await example.ask("GET /upper")).status, 404);
  });

  test("client puts together what two servers say, over kept connections", async () => {
    await using origins = await startTwo();
    const { one, two } = origins;
    one.handle("/weather", ({ response }) => void response.end("rain\n"));
    two.handle("/news", ({ response }) => void response.end("none\n"));
    await using example = await run("client.ts", { WEATHER: one.address, NEWS: two.address });
    for (let i = 0; i < 3; i++) assert.equal(await example.get("/"), "rain\nnone\n");
    assert.equal(one.connectionCount, 1);
    two.handle("/news", ({ response }) => {
      response.statusCode = 503;
      response.end("x".repeat(1_000_000));
    });
    assert.equal(await example.get("/"), "rain\n/news: status 503\n");
    await two[Symbol.asyncDispose]();
    assert.equal(await example.get("/"), "rain\n/news: UPSTREAM_CONNECT_REFUSED\n");
  });

  for (const threads of ["0", "1"]) {
    test(`client ends when it is told to, with connections open in ${threads} threads`, async () => {
      await using origin = await startOrigin();
      const env = { WEATHER: origin.address, NEWS: origin.address };
      await using started = await start("client.ts", env, ["--threads", threads]);
      await started.example.get("/");
      assert.ok(origin.openConnections > 0);
      started.program.signal("SIGTERM");
      assert.deepEqual(await started.program.exit(), { code: 0, signal: null });
    });
  }

  test("raw-client keeps its connections, and does without those that broke", async () => {
    await using lines = await startRawOrigin(async (connection) => {
      for (;;) await connection.write((await connection.readUntil("\n")).toString().toUpperCase());
    });
    await using example = await run("raw-client.ts", { LINES: lines.address });
    assert.equal(await example.get("/one"), "ONE\n");
    assert.equal(await example.get("/two"), "TWO\n");
    assert.equal(lines.connections.length, 1);
    const [connection] = lines.connections;
    connection?.end();
    await connection?.closed;
    assert.equal(await example.get("/three"), "THREE\n");
    await lines[Symbol.asyncDispose]();
    assert.equal((await example.ask("GET /four")).status, 502);
  });

  test("relay passes on bytes and ends of either side, and counts", async () => {
    await using server = await startRawOrigin(async (connection) => {
      const question = await connection.readToEnd();
      connection.end(`${question.length} bytes\n`);
    });
    await using example = await run("relay.ts", { SERVER: server.address });
    await using client = await connectRaw(example.port);
    client.end(Buffer.alloc(1_000_000));
    assert.equal((await client.readToEnd()).toString(), "1000000 bytes\n");
    await example.line(/^127\.0\.0\.1: 1000000 bytes up, 14 bytes down$/);
  });

  test("background has its list before it listens, and reads it again", async () => {
    await using origins = await startTwo();
    await using directory = await createTemporaryDirectory();
    const { one, two } = origins;
    const file = await directory.write("servers.txt", `${one.address}\n`);
    const env = { SERVERS_FILE: file, LISTEN: "127.0.0.1:0", PERIOD: "20" };
    await using example = await run("background.ts", env, []);
    assert.equal(await example.get("/"), "one\n");
    await directory.write("servers.txt", `${two.address}\n`);
    await until("the other server answers", async () => (await example.get("/")) === "two\n");
  });

  test("background does not start without its list", async () => {
    await using program = await startSluice(["run", "examples/background.ts", "--threads", "1"], {
      env: { SERVERS_FILE: "/nowhere/servers.txt", LISTEN: "127.0.0.1:0" },
    });
    await program.line(/Service servers could not start: ENOENT/);
    assert.notEqual((await program.exit()).code, 0);
  });

  test("phases goes through them in order", async () => {
    await using origin = await startOrigin();
    const nobody = `127.0.0.1:${await freePort()}`;
    await using example = await run("phases.ts", { ORIGIN: origin.address, NOBODY: nobody });
    const begin = "newContext → earlyRequestFilter → requestFilter";
    const toServer = "proxyUpstreamFilter → upstreamPeer → connectedToUpstream → upstreamRequestFilter";
    const head = "upstreamResponseFilter → responseFilter";
    const chunk = "upstreamResponseBodyFilter(chunk) → responseBodyFilter(chunk)";
    const end = "upstreamResponseBodyFilter(end) → responseBodyFilter(end)";
    const trailers = "upstreamResponseTrailerFilter → responseTrailerFilter";
    const cut = `${toServer} → errorWhileProxy`.replace(/^\w+ → /, "");
    // A connection that had been idle may have been closed meanwhile: that is no reason to fail.
    const twice = `${begin} → proxyUpstreamFilter → ${cut} → ${cut}`;
    const cases: readonly [head: string, trace: string][] = [
      ["GET /", `${begin} → ${toServer} → ${head} → ${chunk} → ${end} → logging`],
      ["GET /trailers", `${begin} → ${toServer} → ${head} → ${chunk} → ${end} → ${trailers} → logging`],
      ["GET /teapot", `${begin} → logging`],
      ["GET /nowhere", `${begin} → proxyUpstreamFilter → failToProxy → logging (NOT_PROXIED)`],
      ["GET /drop", `${twice} → failToProxy → logging (UPSTREAM_CLOSED)`],
    ];
    for (const [request, trace] of cases) {
      await example.ask(request).catch(() => undefined);
      const [line] = await example.line(new RegExp(`^${RegExp.escape(request)}:.*$`));
      assert.equal(line, `${request}: ${trace}`);
    }
    const retried = await example.ask("GET /retried");
    assert.equal(retried.status, 404);
    await example.line(/ → upstreamPeer → failToConnect → upstreamPeer → connectedToUpstream → /);
    const upload = await echoed(example, "POST /echo\r\nContent-Length: 5\r\n\r\nhello");
    assert.deepEqual([upload.body, fieldOf(upload, "transfer-encoding")], ["HELLO", "chunked"]);
    await example.line(
      /^POST .*upstreamRequestFilter → requestBodyFilter\(chunk\) → requestBodyFilter\(end\)/,
    );
    const response = await example.ask("GET /trailers");
    assert.deepEqual(response.trailers, [["x-first", "1"]]);
  });

  test("own-toxic stops a line after every so many bytes", async () => {
    await using origin = await startRawOrigin((connection) => connection.end("abcdefghijkl"));
    const toxic = ["--toxics", "examples/own-toxic.ts", "--toxic", "hiccup every=5 pause=150"];
    await using sluice = await startInside(["tcp", "127.0.0.1:0", origin.address, ...toxic]);
    await using client = await connectRaw(sluice.port);
    assert.equal((await client.readExactly(5)).toString(), "abcde");
    const start = performance.now();
    assert.equal((await client.readExactly(5)).toString(), "fghij");
    assert.ok(performance.now() - start >= 100);
    assert.equal((await client.readToEnd()).toString(), "kl");
    const wrong = await runInside(["tcp", "0", "1", "--toxics", "none.ts"]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /none\.ts/);
  });

  test("embed runs by itself", async () => {
    const args = ["--conditions=sluice-source", "examples/embed.ts"];
    const finished = await runProgram(process.execPath, args, { cwd: root });
    assert.match(
      finished.stdout,
      /^The proxy listens on 127\.0\.0\.1:\d+\n200 Sluice says hello\n\n1 request, 1 connection to the server\n$/,
    );
    assert.deepEqual([finished.code, finished.stderr], [0, ""]);
  });

  test("tls finds certificates by name, and lets nobody to the staff's part who doesn't show who he is", async () => {
    await using folder = await createTemporaryDirectory();
    const [ours, theirs] = [await createAuthority(), await createAuthority()];
    const files = {
      site: await ours.issue(),
      clients: ours,
      "customer.shop.test": await theirs.issue({ names: ["shop.test"] }),
    };
    for (const [name, { cert, key }] of Object.entries(files)) {
      await folder.write(`${name}.pem`, cert);
      await folder.write(`${name}.key`, key);
    }
    await using origin = await startOrigin();
    await using example = await run("tls.ts", { CERTS: folder.path, SITE: origin.address });
    const ask = async (path: string, options: ConnectionOptions): Promise<RawResponse> => {
      await using client = await connectRaw(example.port, {
        tls: { ca: ours.cert, servername: "localhost", ...options },
      });
      return await client.exchange(`GET ${path} HTTP/1.1\r\nHost: site.example\r\n\r\n`);
    };
    assert.equal((await ask("/", { ca: theirs.cert, servername: "shop.test" })).status, 200);
    assert.equal((await ask("/", {})).status, 200);
    assert.equal((await ask("/staff/echo", {})).status, 403);
    const staff = await ours.issue({ commonName: "ann" });
    assert.equal((await ask("/staff/", staff)).status, 404, "the server's answer");
    const echo = JSON.parse((await ask("/echo", staff)).body.toString()) as EchoAnswer;
    assert.match(fieldOf(echo, "x-forwarded-client-cert") ?? "", /;Subject="CN=ann"/);
  });

  test("is among these", async () => {
    const files = await readdir(join(root, "examples"));
    const suites = ["examples.test.ts", "caching-examples.test.ts"];
    const paths = suites.map((name) => join(import.meta.dirname, name));
    const tried = (await Promise.all(paths.map((path) => readFile(path, "utf8")))).join();
    assert.deepEqual(
      files.filter(
        (name) =>
          name.endsWith(".ts") &&
          ![`run("${name}"`, `start("${name}"`, `/${name}"`].some((way) => tried.includes(way)),
      ),
      [],
    );
  });
});
