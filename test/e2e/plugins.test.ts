import assert from "node:assert/strict";
import { copyFile, readdir, readFile, rename } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory, untilWritten } from "../kit/files.ts";
import { Http2Client } from "../kit/http2-client.ts";
import type { EchoAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { compilePlugin, examplePlugin, oddPlugin, withoutCompiler } from "../kit/plugins.ts";
import { connectRaw, roundTrip } from "../kit/raw-client.ts";
import { type RawOrigin, startRawOrigin } from "../kit/raw-origin.ts";
import { type InsideSluice, startInside } from "./inside.ts";

const EXAMPLES = ["pass-through", "upper-case", "xor", "byte-counter", "header-filter"];
/** What the odd plugin does on connections and bodies, and on heads. */
const MODES = ["twice", "hold", "close", "too-many", "negative", "log"];
const HEAD_MODES = ["smuggle", "late", "target", "status", "empty", "no-status"];

let folder: TemporaryDirectory;
let echo: RawOrigin;
/** What the echo has got. */
let seen = "";
let origin: Origin;
let sluice: InsideSluice;

/** Everything in one process: a TCP listener for each plugin, and HTTP with a route for each. */
function configuration(): string {
  const odd = (mode: string): string =>
    `  ${mode}: { path: odd.so, config: { mode: ${mode}, file: ${folder.join(`${mode}.log`)} } }`;
  const tcp = (name: string, plugins: string): string =>
    `  - { name: ${name}, bind: "127.0.0.1:0", protocol: tcp, upstream: "${echo.address}", plugins: [${plugins}] }`;
  const route = (name: string): string =>
    `      - { match: { path: { prefix: /${name} } }, rewrite: { path: { strip_prefix: /${name} } }, upstream: "${origin.address}", plugins: [${name}] }`;
  return [
    `error_log: ${folder.join("errors.log")}`,
    "plugins:",
    "  upper-case: upper-case.so",
    "  swapped: swapped.so",
    "  xor: { path: xor.so, config: { key: secret } }",
    `  byte-counter: { path: byte-counter.so, config: { file: ${folder.join("bytes.log")} } }`,
    "  header-filter: { path: header-filter.so, config: { refuse: /private } }",
    ...[...MODES, ...HEAD_MODES].map(odd),
    "listeners:",
    tcp("row", "upper-case, xor"),
    tcp("swapped", "swapped"),
    tcp("byte-counter", "byte-counter"),
    ...MODES.map((mode) => tcp(mode, mode)),
    "  - bind: 127.0.0.1:0",
    "    plugins: [header-filter]",
    "    routes:",
    ...["upper-case", "swapped", ...MODES, ...HEAD_MODES].map(route),
    `      - { match: { path: /row }, upstream: "${origin.address}", plugins: [xor, xor, upper-case] }`,
    `      - { upstream: "${origin.address}" }`,
    "",
  ].join("\n");
}

const TCP = ["row", "swapped", "byte-counter", ...MODES];

before(async () => {
  if (withoutCompiler !== false) return;
  folder = await createTemporaryDirectory();
  echo = await startRawOrigin(({ socket }) => {
    socket.on("data", (bytes) => {
      seen += bytes.toString("latin1");
    });
    socket.pipe(socket);
  });
  origin = await startOrigin();
  await Promise.all([
    ...EXAMPLES.map((name) => compilePlugin(examplePlugin(name), folder.join(`${name}.so`))),
    compilePlugin(oddPlugin, folder.join("odd.so")),
  ]);
  await copyFile(folder.join("upper-case.so"), folder.join("swapped.so"));
  const file = await folder.write("sluice.yaml", configuration());
  // Others may have copies of theirs in the usual place.
  sluice = await startInside(["run", file], { TMPDIR: folder.path });
});

after(async () => {
  await sluice?.[Symbol.asyncDispose]();
  for (const one of [echo, origin, folder]) await one?.[Symbol.asyncDispose]();
});

/** HTTP listeners come first. */
const portOf = (name: string): number => sluice.portOf(1 + TCP.indexOf(name));

/** Waits for a line of the error log. */
const logged = (what: RegExp): Promise<void> => untilWritten(folder.join("errors.log"), what);

const get = (path: string, init: RequestInit = {}): Promise<Response> => sluice.fetch(path, init);

async function echoed(path: string, init: RequestInit = {}): Promise<EchoAnswer> {
  return (await (await get(path, init)).json()) as EchoAnswer;
}

describe("plugins on a TCP listener", { skip: withoutCompiler }, () => {
  test("stand in a row, the first next to the client", async () => {
    seen = "";
    assert.equal(await roundTrip(portOf("row"), "hello"), "HELLO");
    assert.equal(
      seen,
      [..."HELLO"]
        .map((letter, i) => String.fromCharCode(letter.charCodeAt(0) ^ "secret".charCodeAt(i)))
        .join(""),
    );
  });

  test("give out at the end what they held back, whichever side ends", async () => {
    assert.equal(
      await roundTrip(portOf("hold"), "nothing comes before the end"),
      "nothing comes before the end",
    );
  });

  test("pass every byte of a large transfer, also when they make more of it than came", async () => {
    const sent = Buffer.alloc(1024 * 1024);
    for (let i = 0; i < sent.length; i++) sent[i] = i % 251;
    await using client = await connectRaw(portOf("twice"));
    client.end(sent);
    const came = await client.readToEnd();
    // Twice on the way there, and twice on the way back.
    assert.equal(came.length, 4 * sent.length);
    for (let i = 0; i < came.length; i += 997) assert.equal(came[i], sent[i >> 2], `at ${i}`);
  });

  test("may have the connection closed; what went on before still arrives", async () => {
    await using client = await connectRaw(portOf("close"));
    void client.write("good");
    assert.equal(String(await client.readExactly(4)), "good");
    void client.write("eXit");
    assert.equal(await client.closed, "end");
  });

  test("that do something wrong cost only that connection, with a line in the log", async () => {
    await using other = await connectRaw(portOf("row"));
    await using client = await connectRaw(portOf("too-many"));
    void client.write("a");
    assert.equal(await client.closed, "reset");
    await logged(/too-many: sluice_transform returned 65537 bytes, but had room for 65536/);
    void other.write("still");
    assert.equal(String(await other.readExactly(5)), "STILL");
  });

  test("know connections from one another, from their beginning to their end", async () => {
    assert.equal(await roundTrip(portOf("byte-counter"), "12345"), "12345");
    const line = await until("the line is written", () =>
      readFile(folder.join("bytes.log"), "utf8").catch(() => null),
    );
    assert.match(String(line), /^127\.0\.0\.1:\d+ 5 up, 5 down\n$/);
  });
});

describe("plugins on HTTP", { skip: withoutCompiler }, () => {
  test("change bodies both ways, which are framed anew", async () => {
    const response = await get("/upper-case/echo", { method: "POST", body: "hello" });
    assert.equal(response.headers.get("content-length"), null);
    const seen = JSON.parse((await response.text()).toLowerCase()) as EchoAnswer;
    assert.equal(seen.body, "hello".toLowerCase());
    const request = origin.requests.at(-1)!;
    assert.deepEqual(
      [request.headers["transfer-encoding"], request.headers["content-length"]],
      ["chunked", undefined],
    );
    assert.equal(request.headers["accept-encoding"], "identity");
  });

  test("stand in a row too, and may stand there twice", async () => {
    assert.equal(await (await get("/row")).text(), "NO SUCH ROUTE\n");
  });

  test("leave alone what they aren't named for", async () => {
    assert.equal(await (await get("/")).text(), "origin\n");
    assert.equal((await get("/bytes/10")).headers.get("content-length"), "10");
  });

  test("leave nothing in a head that isn't true of the new body", async () => {
    origin.handle("/tagged", ({ response, request }) => {
      response.setHeader("etag", '"one"');
      response.setHeader("accept-ranges", "bytes");
      response.setHeader("content-length", 3);
      if (request.url?.includes("gzip")) response.setHeader("content-encoding", "gzip");
      if (request.url?.includes("304")) response.statusCode = 304;
      response.end(request.method === "HEAD" ? "" : "abc");
    });
    const fields = (response: Response): (string | null)[] =>
      ["etag", "accept-ranges", "content-length"].map((name) => response.headers.get(name));
    const changed = await get("/upper-case/tagged", { headers: { range: "bytes=0-1" } });
    assert.deepEqual([await changed.text(), ...fields(changed)], ["ABC", 'W/"one"', null, null]);
    assert.equal(origin.requests.at(-1)!.headers["range"], undefined);
    const head = await get("/upper-case/tagged", { method: "HEAD" });
    assert.deepEqual(fields(head), ['W/"one"', null, null]);
    const unchanged = await get("/upper-case/tagged?304");
    assert.deepEqual([unchanged.status, unchanged.headers.get("etag")], [304, 'W/"one"']);
    await using client = await connectRaw(sluice.port);
    const packed = await client.exchange("GET /upper-case/tagged?gzip HTTP/1.1\r\nHost: a\r\n\r\n");
    assert.deepEqual([String(packed.body), packed.header("etag")], ["abc", '"one"']);
  });

  test("see every byte of large bodies, over HTTP/2 as well", async () => {
    await using client = new Http2Client(sluice.port);
    const body = Buffer.from(patternBytes(300_000, 0, 1));
    const answer = await client.send({ ":path": "/hold/echo", ":method": "POST" }, "held");
    assert.equal((JSON.parse(String(answer.body)) as EchoAnswer).body, "held");
    const twice = await client.send({ ":path": "/twice/upload?seed=1", ":method": "POST" }, body);
    assert.match(String(twice.body), /""bbyytteess""::660000000000,,/);
  });

  test("end a request that they do something wrong with, or want to be closed", async () => {
    assert.equal((await get("/negative/echo", { method: "POST", body: "a" })).status, 502);
    await assert.rejects(get("/negative/").then((response) => response.text()));
    await assert.rejects(get("/close/echo", { method: "POST", body: "an X" }));
    await logged(/PLUGIN_FAILED/);
    assert.equal((await get("/")).status, 200);
  });

  test("begin and end with each request", async () => {
    await (await get("/log/")).text();
    const lines = await until("it is closed", async () => {
      const log = (await readFile(folder.join("log.log"), "utf8")).split("\n").slice(0, -1);
      return log.at(-1) === "odd close" ? log : null;
    });
    assert.match(String(lines?.at(-2)), /^odd open 127\.0\.0\.1:\d+$/);
  });
});

describe("plugins on heads of requests", { skip: withoutCompiler }, () => {
  test("add fields and answer in the server's place, whatever version of HTTP is spoken", async () => {
    assert.ok((await echoed("/echo")).rawHeaders.includes("X-Filtered-By"));
    assert.equal((await get("/private/a")).status, 403);
    assert.equal((await get("/status/")).status, 418);
    const empty = await get("/empty/");
    assert.deepEqual([empty.status, await empty.text(), empty.headers.get("content-type")], [205, "", null]);
    await using client = new Http2Client(sluice.port);
    assert.equal((await client.get("/private")).status, 403);
    const answer = JSON.parse(String((await client.get("/echo")).body)) as EchoAnswer;
    assert.ok(answer.rawHeaders.includes("X-Filtered-By"));
  });

  test("may send a request elsewhere", async () => {
    origin.handle("/other", ({ request, response }) => void response.end(`${request.method} ${request.url}`));
    assert.equal(await (await get("/target/echo")).text(), "PUT /other?a=b");
  });

  test("change nothing that says where a request ends", async () => {
    const before = origin.requests.length;
    for (const mode of ["smuggle", "late", "no-status"])
      assert.equal((await get(`/${mode}/`)).status, 502, mode);
    assert.equal(origin.requests.length, before);
    await logged(/it changes content-length, which no plugin may change/);
    await logged(/it made a head with something behind it/);
  });
});

describe("a plugin whose file is exchanged", { skip: withoutCompiler }, () => {
  async function exchange(name: string): Promise<void> {
    await copyFile(folder.join(name), folder.join("next"));
    await rename(folder.join("next"), folder.join("swapped.so"));
  }

  test("has new connections go through the new one, and those that stand through the old", async () => {
    await using old = await connectRaw(portOf("swapped"));
    void old.write("a");
    assert.equal(String(await old.readExactly(1)), "A");
    await exchange("pass-through.so");
    await logged(/"plugin":"swapped".*Plugin was exchanged/);
    assert.equal(await roundTrip(portOf("swapped"), "b"), "b");
    assert.equal(await (await get("/swapped/")).text(), "origin\n");
    void old.write("c");
    assert.equal(String(await old.readExactly(1)), "C");
  });

  test("stays what it was while the new one can't be used, and the log says why", async () => {
    await folder.write("junk", "no library\n".repeat(1000));
    await exchange("junk");
    await logged(/"plugin":"swapped".*swapped\.so\) can't be used: .*invalid ELF header/);
    assert.equal(await roundTrip(portOf("swapped"), "b"), "b");
    // What ends in the middle would end the process when it is loaded.
    await folder.write("half", (await readFile(folder.join("xor.so"))).subarray(0, 9000));
    await exchange("half");
    await logged(/"plugin":"swapped".*it isn't whole: is it still being written\?/);
    assert.equal(await roundTrip(portOf("swapped"), "b"), "b");
  });

  test("leaves no copies behind", async () => {
    const copies = async (): Promise<string[]> =>
      (await readdir(folder.path)).filter((name) => name.startsWith("sluice-plugins-"));
    assert.equal((await copies()).length, 1);
    assert.equal(await sluice.end("SIGTERM"), 0);
    assert.deepEqual(await copies(), []);
  });
});

describe("the example", { skip: withoutCompiler }, () => {
  test("counts and seals a line, keeps a gate, and makes capitals", async () => {
    const env = {
      ...{ PLUGINS: folder.path, COUNTS: folder.join("counts.log"), LINE_SERVER: echo.address },
      ...{ WEB_SERVER: origin.address, LINE: "127.0.0.1:0", WEB: "127.0.0.1:0" },
    };
    await using example = await startInside(["run", "examples/plugins.yaml"], env);
    const [web, line] = example.addresses;
    seen = "";
    await using client = await connectRaw(Number(line!.split(":").at(-1)));
    client.end("hello");
    assert.equal(String(await client.readToEnd()), "hello");
    assert.deepEqual([seen.length, seen.includes("h")], [5, false]);
    assert.equal(await (await fetch(`http://${web}/loud`)).text(), "NO SUCH ROUTE\n");
    assert.equal(await (await fetch(`http://${web}/`)).text(), "origin\n");
    assert.equal((await fetch(`http://${web}/private`)).status, 403);
    const counts = await until("it is counted", () => readFile(env.COUNTS, "utf8").catch(() => null));
    assert.match(String(counts), / 5 up, 5 down\n$/);
  });
});
