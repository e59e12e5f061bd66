import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import { fetch } from "undici";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { usedMemory } from "../kit/memory.ts";
import { startOrigin } from "../kit/origins.ts";
import { DECODERS, PLAIN, response, startCoding } from "./coding.ts";
import { startInside } from "./inside.ts";
import { answering, request, standstill } from "./proxy.ts";

const MB = 1024 * 1024;
const TEXT = Array.from({ length: 30_000 }, (_, i) => `${i} squared is ${i * i}\n`).join("");

describe("what is compressed can be read", () => {
  test("by curl", async () => {
    await using proxy = await startCoding(answering(response(TEXT, PLAIN)));
    const url = `http://127.0.0.1:${proxy.port}/`;
    for (const more of [["--compressed"], [], ["--compressed", "--http2-prior-knowledge"]]) {
      const args = [
        "-sS",
        "--max-time",
        "20",
        ...more,
        "-w",
        "%header{content-encoding} %{size_download}",
        url,
      ];
      const { stdout } = await promisify(execFile)("curl", args, { maxBuffer: 4 * MB });
      assert.ok(stdout.startsWith(TEXT));
      const [coding, size] = stdout.slice(TEXT.length).split(" ");
      const isCoded = more.length > 0;
      assert.deepEqual([coding !== "", Number(size) < TEXT.length], [isCoded, isCoded]);
    }
  });

  test("by fetch", async () => {
    await using proxy = await startCoding(answering(response(TEXT, PLAIN)));
    const url = `http://127.0.0.1:${proxy.port}/`;
    for (const coding of ["gzip", "br", "zstd"]) {
      const got = await fetch(url, { headers: { "accept-encoding": coding, connection: "close" } });
      assert.equal(got.headers.get("content-encoding"), coding);
      assert.equal(await got.text(), TEXT);
    }
  });

  test("over HTTP/2, several at a time", async () => {
    await using proxy = await startCoding(answering(response(TEXT, PLAIN)));
    await using client = new Http2Client(proxy.port);
    const codings = ["gzip", "br", "zstd", "gzip", "br", "zstd"] as const;
    const answers = await Promise.all(
      codings.map((coding) => client.get("/", { "accept-encoding": coding })),
    );
    for (const [i, { headers, body }] of answers.entries()) {
      assert.deepEqual([headers["content-encoding"], headers["content-length"]], [codings[i], undefined]);
      assert.equal(DECODERS[codings[i]!](body).toString(), TEXT);
    }
    const plain = await client.get("/");
    assert.deepEqual([plain.body.toString(), plain.headers["content-length"]], [TEXT, `${TEXT.length}`]);
  });
});

test("what was compressed is the same again after a failed attempt", async () => {
  const answers = [
    response(zlib.gzipSync("not this one"), "Content-Encoding: gzip")
      .toString("latin1")
      .replace("200 OK", "503 No"),
    response(zlib.gzipSync(TEXT), PLAIN, "Content-Encoding: gzip").toString("latin1"),
  ];
  const both = { compress: {}, decompress: { when: "always" } } as const;
  const retries = { maxTries: 2, onStatus: [{ first: 503, last: 503 }] };
  await using proxy = await startCoding(
    answering(() => Buffer.from(answers.shift() ?? "", "latin1")),
    both,
    {},
    { retries },
  );
  const client = await proxy.connect();
  const got = await client.exchange(request("GET /", "Accept-Encoding: br"));
  assert.equal(zlib.brotliDecompressSync(got.body).toString(), TEXT);
  assert.equal(answers.length, 0);
});

describe("a client that goes away in the middle", () => {
  test("has its session end at once, with all that was held for it", async () => {
    await using proxy = await startCoding(async (connection) => {
      await connection.readRequest();
      await connection.write(`HTTP/1.1 200 OK\r\n${PLAIN}\r\nContent-Length: ${1024 * MB}\r\n\r\n`);
      await connection.write(randomBytes(2 * MB)).catch(() => undefined);
      await connection.closed;
    });
    for (const coding of ["gzip", "zstd", "br"]) {
      const client = await proxy.connect();
      await client.write(request("GET /", `Accept-Encoding: ${coding}`));
      await client.readExactly(100_000);
      client.reset();
      await proxy.settled();
    }
    const codes = proxy.reported.map(({ error }) => error.code);
    assert.deepEqual(new Set(codes), new Set(["DOWNSTREAM_CLOSED"]));
  });

  test("over HTTP/2 takes no other stream with it", async () => {
    await using proxy = await startCoding(answering(response(TEXT, PLAIN)));
    await using client = new Http2Client(proxy.port);
    const kept = client.get("/", { "accept-encoding": "gzip" });
    const stream = client.open({ ":path": "/", "accept-encoding": "br" }, true);
    await once(stream, "response");
    stream.close(8);
    assert.equal(zlib.gunzipSync((await kept).body).toString(), TEXT);
  });
});

test("a server that breaks off breaks off what is compressed of it", async () => {
  await using proxy = await startCoding(async (connection) => {
    await connection.readRequest();
    await connection.write(`HTTP/1.1 200 OK\r\n${PLAIN}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`);
    await until("the client has its head", () => isAnswered);
    connection.destroy();
  });
  let isAnswered = false;
  const client = await proxy.connect();
  void client.write(request("GET /", "Accept-Encoding: gzip"));
  await client.readHead();
  isAnswered = true;
  const rest = (await client.readToEnd()).toString("latin1");
  assert.ok(!rest.endsWith("0\r\n\r\n"));
});

test("while a client reads nothing, the server is read no further", async () => {
  let written = 0;
  await using proxy = await startCoding(async (connection) => {
    await connection.readRequest();
    await connection.write(`HTTP/1.1 200 OK\r\n${PLAIN}\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const noise = randomBytes(256 * 1024);
    const chunk = Buffer.concat([Buffer.from("40000\r\n"), noise, Buffer.from("\r\n")]);
    // What waits in sockets and what is on its way are a few MB.
    for (; written < 64 * MB; written += noise.length) await connection.write(chunk);
    await connection.write("0\r\n\r\n");
  });
  const before = usedMemory();
  const client = await proxy.connect();
  await client.write(request("GET /", "Accept-Encoding: gzip"));
  await client.readHead();
  client.pause();
  await standstill(() => written);
  assert.ok(written < 40 * MB, `${written} bytes were written`);
  const used = usedMemory() - before;
  assert.ok(used < 12 * MB, `${used} bytes are held`);
  client.destroy();
});

test("a configuration says which routes are compressed, and how", async () => {
  await using origin = await startOrigin();
  for (const path of ["/", "/account/a", "/static/a.css"])
    origin.handle(path, ({ response }) => {
      response.setHeader("content-type", "text/css");
      response.end("p { margin: 0 }\n".repeat(path === "/static/a.css" ? 20 : 100));
    });
  const env = { BIND: "127.0.0.1:0", APP: origin.address };
  await using sluice = await startInside(["run", "examples/compression.yaml"], env);
  const codingOf = async (path: string): Promise<string | null> => {
    const answer = await sluice.fetch(path, { headers: { "accept-encoding": "zstd, br, gzip" } });
    assert.match(await answer.text(), /^(?:p \{ margin: 0 \}\n)+$/);
    return answer.headers.get("content-encoding");
  };
  assert.equal(await codingOf("/"), "zstd");
  assert.equal(await codingOf("/account/a"), null);
  assert.equal(await codingOf("/static/a.css"), "br");
});

test("sluice http --compress compresses", async () => {
  await using origin = await startOrigin();
  origin.handle("/", ({ response }) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(TEXT));
  });
  const args = ["http", "--bind", "127.0.0.1:0", "--upstream", origin.address, "--compress"];
  await using sluice = await startInside(args);
  const answer = await sluice.fetch("/", { headers: { "accept-encoding": "gzip" } });
  assert.equal(answer.headers.get("content-encoding"), "gzip");
  assert.equal(await answer.json(), TEXT);
});

test("a program has it for the sessions that it wants it for", async () => {
  const args = ["run", "examples/coding/compress.ts", "--bind", "127.0.0.1:0"];
  await using sluice = await startInside(args);
  const codingOf = async (headers: Record<string, string>): Promise<string | null> => {
    const answer = await sluice.fetch("/words", { headers: { "accept-encoding": "gzip", ...headers } });
    assert.match(await answer.text(), /^(?:words, words, words\n){100}$/);
    return answer.headers.get("content-encoding");
  };
  assert.equal(await codingOf({}), "gzip");
  assert.equal(await codingOf({ authorization: "Basic YTpi" }), null);
});

test("what is cached is coded for clients as they want it, and its tags are known again", async () => {
  await using origin = await startOrigin();
  let asked = 0;
  origin.handle("/", ({ response }) => {
    asked++;
    for (const [name, value] of [
      ["content-type", "text/plain"],
      ["cache-control", "max-age=1000"],
      ["etag", '"a"'],
    ] as const)
      response.setHeader(name, value);
    response.end(TEXT);
  });
  await using folder = await createTemporaryDirectory();
  const listener = `{ bind: "127.0.0.1:0", cache: 16m, compress: true, upstream: "${origin.address}" }`;
  const file = await folder.write("cached.yaml", `listeners: [${listener}]`);
  await using sluice = await startInside(["run", file]);
  for (const coding of ["gzip", "br", "identity", "gzip"]) {
    const answer = await sluice.fetch("/", { headers: { "accept-encoding": coding } });
    assert.equal(answer.headers.get("content-encoding") ?? "identity", coding);
    assert.equal(answer.headers.get("etag"), coding === "identity" ? '"a"' : 'W/"a"');
    assert.equal(await answer.text(), TEXT);
  }
  assert.equal(asked, 1);
  const headers = { "accept-encoding": "gzip", "if-none-match": 'W/"a"' };
  const known = await sluice.fetch("/", { headers });
  assert.deepEqual([known.status, known.headers.get("etag")], [304, 'W/"a"']);
});
