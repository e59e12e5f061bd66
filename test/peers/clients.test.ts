import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFile, stat } from "node:fs/promises";
import * as http from "node:http";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Agent, fetch as fetchWith, Pool, request } from "undici";
import { type RunningSluice, startHttp } from "../e2e/sluice.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import type { EchoAnswer, UploadAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { PatternVerifier, patternBytes, patternStream } from "../kit/pattern.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { type Finished, runProgram } from "../kit/process.ts";

const MB = 1024 * 1024;

/** What every client gets: the real program before a working server. */
interface Stage {
  origin: Origin;
  sluice: RunningSluice;
  directory: TemporaryDirectory;
  url: string;
}

function stageFor(threads: string): Stage {
  const stage = {} as Stage;
  before(async () => {
    stage.origin = await startOrigin();
    stage.sluice = await startHttp([stage.origin.address], "--threads", threads);
    stage.directory = await createTemporaryDirectory();
    stage.url = `http://127.0.0.1:${stage.sluice.port}`;
  });
  after(async () => {
    await stage.sluice[Symbol.asyncDispose]();
    await stage.origin[Symbol.asyncDispose]();
    await stage.directory[Symbol.asyncDispose]();
  });
  return stage;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

for (const threads of ["1", "2"]) {
  describe(`curl, with ${threads} of our threads`, { skip: skipWithout("curl") }, () => {
    const stage = stageFor(threads);

    /** Fails with what curl said, unless it is to fail with `code`. */
    async function curl(args: readonly string[], code = 0): Promise<Finished> {
      const common = ["--silent", "--show-error", "--max-time", "20", "--noproxy", "*"];
      const finished = await runProgram(findProgram("curl") ?? "", [...common, ...args]);
      assert.equal(finished.code, code, finished.stderr);
      return finished;
    }

    test("GET, twice over one connection", async () => {
      const url = `${stage.url}/echo?a=b`;
      const written = ["--write-out", " %{http_code} %{num_connects}\n", "--output", "/dev/null"];
      const { stdout } = await curl([...written, url, ...written, url]);
      assert.equal(stdout, " 200 1\n 200 0\n");
    });

    test("POST of a form", async () => {
      const { stdout } = await curl(["--data", "a=1&b=2", `${stage.url}/echo`]);
      const echo = JSON.parse(stdout) as EchoAnswer;
      assert.deepEqual([echo.method, echo.body], ["POST", "a=1&b=2"]);
      assert.ok(echo.rawHeaders.includes("application/x-www-form-urlencoded"));
    });

    test("a chunked upload", async () => {
      const file = await stage.directory.write("chunked", patternBytes(3 * MB, 0, 5));
      const chunked = ["--header", "Transfer-Encoding: chunked", "--upload-file", file];
      const { stdout } = await curl([...chunked, `${stage.url}/upload?seed=5`]);
      assert.deepEqual(JSON.parse(stdout), {
        bytes: 3 * MB,
        sha256: sha256(patternBytes(3 * MB, 0, 5)),
        pattern: true,
      } satisfies UploadAnswer);
    });

    test("a large upload that waits for 100-continue, and a large download", async () => {
      const body = patternBytes(32 * MB, 0, 1);
      const file = await stage.directory.write("large", body);
      const expect = ["--expect100-timeout", "10", "--header", "Expect: 100-continue"];
      const up = await curl(["--verbose", ...expect, "--upload-file", file, `${stage.url}/upload?seed=1`]);
      assert.equal((JSON.parse(up.stdout) as UploadAnswer).sha256, sha256(body));
      assert.match(up.stderr, /< HTTP\/1\.1 100 Continue/);
      const target = stage.directory.join("received");
      await curl(["--output", target, `${stage.url}/bytes/${32 * MB}?seed=1`]);
      assert.equal(sha256(await readFile(target)), sha256(body));
    });

    test("HTTP/1.0, with a body that the end of the connection ends", async () => {
      const { stdout } = await curl(["--http1.0", "--include", `${stage.url}/chunked?chunks=4&size=1000`]);
      const [head = "", body] = stdout.split("\r\n\r\n");
      assert.match(head, /^connection: close$/im);
      assert.doesNotMatch(head, /^(transfer-encoding|content-length)/im);
      assert.equal(body?.length, patternBytes(4000).toString().length);
    });

    test("HEAD", async () => {
      const { stdout } = await curl(["--head", `${stage.url}/bytes/12345`]);
      assert.match(stdout, /^HTTP\/1\.1 200 OK\r\n/);
      assert.match(stdout, /^content-length: 12345\r$/im);
    });

    test("a compressed body, passed on as it is", async () => {
      const text = "compressible ".repeat(10_000);
      stage.origin.handle("/gzip", ({ request: { headers }, response }) => {
        assert.match(String(headers["accept-encoding"]), /gzip/);
        response.setHeader("content-encoding", "gzip");
        (response as http.ServerResponse).end(gzipSync(text));
      });
      const { stdout } = await curl(["--compressed", `${stage.url}/gzip`]);
      assert.equal(stdout, text);
    });

    test("cookies, there and back", async () => {
      stage.origin.handle("/login", ({ response }) => {
        response.setHeader("set-cookie", ["a=1; Path=/", "b=2; Path=/; HttpOnly"]);
        (response as http.ServerResponse).end();
      });
      const jar = stage.directory.join("jar");
      await curl(["--cookie-jar", jar, `${stage.url}/login`]);
      const { stdout } = await curl(["--cookie", jar, `${stage.url}/echo`]);
      const { rawHeaders } = JSON.parse(stdout) as EchoAnswer;
      const cookie = rawHeaders[rawHeaders.findIndex((name) => /^cookie$/i.test(name)) + 1];
      assert.deepEqual(new Set(cookie?.split("; ")), new Set(["a=1", "b=2"]));
    });

    test("sees that a body was cut", async () => {
      const target = stage.directory.join("cut");
      const { stderr } = await curl(["--output", target, `${stage.url}/cut/5000`], 18);
      assert.match(stderr, /5000 bytes/);
      assert.equal((await stat(target)).size, 5000);
    });
  });

  describe(`browser-like clients, with ${threads} of our threads`, () => {
    const stage = stageFor(threads);

    test("fetch: pages, uploads in pieces and downloads at once, on kept connections", async () => {
      const before = stage.origin.connectionCount;
      const agent = new Agent({ connections: 6, pipelining: 1 });
      const jobs = Array.from({ length: 60 }, async (_, i) => {
        const size = 1 + i * 3001;
        if (i % 3 === 0) {
          const body = patternStream(size, i);
          const init = { method: "POST", body, duplex: "half", dispatcher: agent } as const;
          const response = await fetchWith(`${stage.url}/upload?seed=${i}`, init);
          assert.equal(((await response.json()) as UploadAnswer).pattern, true);
        } else {
          const response = await fetchWith(`${stage.url}/bytes/${size}?seed=${i}`, { dispatcher: agent });
          new PatternVerifier(i).write(new Uint8Array(await response.arrayBuffer()));
        }
      });
      await Promise.all(jobs);
      await agent.close();
      const connections = stage.origin.connectionCount - before;
      assert.ok(connections <= 6, `${connections} connections to the origin for 60 requests`);
    });

    test("undici: pipelines 100 requests", async () => {
      const pool = new Pool(stage.url, { connections: 1, pipelining: 16 });
      const answers = await Promise.all(
        Array.from({ length: 100 }, async (_, i) => {
          const { body } = await pool.request({ path: `/echo?n=${i}`, method: "GET" });
          return ((await body.json()) as EchoAnswer).url;
        }),
      );
      await pool.close();
      assert.deepEqual(
        answers,
        Array.from({ length: 100 }, (_, i) => `/echo?n=${i}`),
      );
    });

    test("undici: trailers, and a body that nobody reads to its end", async () => {
      const { body, trailers } = await request(`${stage.url}/trailers`);
      assert.equal(await body.text(), "body\n");
      assert.deepEqual(trailers, { "x-first": "1", "x-second": "2" });
      const unread = await request(`${stage.url}/bytes/${8 * MB}`);
      unread.body.destroy();
      unread.body.on("error", () => {});
      assert.equal((await request(`${stage.url}/`)).statusCode, 200);
    });

    test("http.Agent: keeps its connection over statuses of all kinds", async () => {
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      const ports = new Set<number | undefined>();
      for (const [method, path] of [
        ["GET", "/status/200"],
        ["GET", "/status/204"],
        ["GET", "/status/304"],
        ["GET", "/status/404"],
        ["HEAD", "/bytes/1000"],
        ["POST", "/echo"],
        ["GET", "/chunked"],
      ]) {
        const sent = http.request(`${stage.url}${path}`, { agent, method: method ?? "GET" });
        sent.end(method === "POST" ? "body" : undefined);
        const [response] = (await once(sent, "response")) as [http.IncomingMessage];
        ports.add(response.socket.localPort);
        response.resume();
        await once(response, "end");
      }
      assert.equal(ports.size, 1);
      agent.destroy();
    });
  });
}
