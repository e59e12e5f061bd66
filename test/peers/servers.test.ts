import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { Agent, request } from "undici";
import { get, type RunningSluice, startListening } from "../e2e/sluice.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes, patternStream } from "../kit/pattern.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { freePort } from "../kit/ports.ts";
import { type RunningProgram, startProgram } from "../kit/process.ts";
import { connectRaw } from "../kit/raw-client.ts";

const MB = 1024 * 1024;
const large = patternBytes(32 * MB, 0, 9);
const page = "<p>page</p>\n".repeat(2000);

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** The same files for every server: a large one, a page, an empty one. */
async function writeSite(directory: TemporaryDirectory): Promise<void> {
  await directory.write("site/large.bin", large);
  await directory.write("site/page.html", page);
  await directory.write("site/empty.txt", "");
}

/** The real program with a configuration that sends everything to one server. */
async function startBefore(
  directory: TemporaryDirectory,
  port: number,
  threads: number,
): Promise<RunningSluice> {
  const text = `threads: ${threads}\nlisteners:\n  - { bind: "127.0.0.1:0", upstream: "127.0.0.1:${port}" }\n`;
  return await startListening(["run", await directory.write(`sluice-${threads}.yaml`, text)]);
}

async function startNginx(directory: TemporaryDirectory): Promise<{ program: RunningProgram; port: number }> {
  const port = await freePort();
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `${name}_temp_path ${directory.join(name)};`)
    .join(" ");
  const configuration = `
    ${process.getuid?.() === 0 ? "user root;" : ""}
    daemon off; worker_processes 1; pid ${directory.join("nginx.pid")}; error_log stderr error;
    events { worker_connections 256; }
    http {
      access_log off; ${temporary}
      types { text/html html; application/octet-stream bin; }
      gzip on; gzip_min_length 100; gzip_http_version 1.0; gzip_proxied any;
      client_max_body_size 0; sendfile on;
      server {
        listen 127.0.0.1:${port};
        root ${directory.join("site")};
        location /uploads/ { root ${directory.path}; dav_methods PUT; create_full_put_path on; }
        location /moved { return 301 /page.html; }
      }
    }`;
  const file = await directory.write("nginx.conf", configuration);
  const program = await startProgram(findProgram("nginx") ?? "", ["-p", directory.path, "-c", file]);
  await until("nginx listens", () =>
    connectRaw(port).then(
      (client) => client[Symbol.asyncDispose]().then(() => true),
      () => false,
    ),
  );
  return { program, port };
}

/** What any file server has to look like through us. */
function testFiles(stage: { readonly sluice: RunningSluice }): void {
  test("a page, an empty file and one that is not there", async () => {
    const found = await get(stage.sluice.port, "/page.html");
    assert.deepEqual([found.status, found.body.toString()], [200, page]);
    const empty = await get(stage.sluice.port, "/empty.txt");
    assert.deepEqual([empty.status, empty.body.length], [200, 0]);
    assert.equal((await get(stage.sluice.port, "/nothing")).status, 404);
  });

  test("a large file, eight times at once", async () => {
    const expected = sha256(large);
    const sums = Array.from({ length: 8 }, async () => {
      await using client = await connectRaw(stage.sluice.port);
      const digest = createHash("sha256");
      const onData = (chunk: Buffer): void => void digest.update(chunk);
      await client.exchange("GET /large.bin HTTP/1.1\r\nHost: a\r\n\r\n", { onData });
      return digest.digest("hex");
    });
    for (const sum of await Promise.all(sums)) assert.equal(sum, expected);
  });

  test("HEAD and what follows it on the connection", async () => {
    await using client = await connectRaw(stage.sluice.port);
    const head = await client.exchange("HEAD /large.bin HTTP/1.1\r\nHost: a\r\n\r\n", { method: "HEAD" });
    assert.equal(head.header("content-length"), String(large.length));
    assert.equal((await client.exchange("GET /page.html HTTP/1.1\r\nHost: a\r\n\r\n")).status, 200);
  });
}

for (const threads of [1, 2]) {
  describe(`nginx behind ${threads} of our threads`, { skip: skipWithout("nginx") }, () => {
    const stage = {} as { directory: TemporaryDirectory; nginx: RunningProgram; sluice: RunningSluice };

    before(async () => {
      stage.directory = await createTemporaryDirectory();
      await writeSite(stage.directory);
      const { program, port } = await startNginx(stage.directory);
      stage.nginx = program;
      stage.sluice = await startBefore(stage.directory, port, threads);
    });
    after(async () => {
      await stage.sluice[Symbol.asyncDispose]();
      await stage.nginx[Symbol.asyncDispose]();
      await stage.directory[Symbol.asyncDispose]();
    });

    testFiles(stage);

    test("ranges: one, several, none that can be met", async () => {
      const one = await get(stage.sluice.port, "/large.bin", "Range: bytes=1000000-1999999");
      assert.deepEqual(
        [one.status, one.header("content-range")],
        [206, `bytes 1000000-1999999/${large.length}`],
      );
      assert.equal(sha256(one.body), sha256(large.subarray(1_000_000, 2_000_000)));
      const several = await get(stage.sluice.port, "/page.html", "Range: bytes=0-3,100-103");
      assert.match(several.header("content-type") ?? "", /^multipart\/byteranges/);
      assert.equal((await get(stage.sluice.port, "/page.html", "Range: bytes=999999-")).status, 416);
    });

    test("conditional requests and redirects", async () => {
      const first = await get(stage.sluice.port, "/large.bin");
      const again = await get(stage.sluice.port, "/large.bin", `If-None-Match: ${first.header("etag")}`);
      assert.deepEqual([again.status, again.body.length], [304, 0]);
      const moved = await get(stage.sluice.port, "/moved");
      assert.equal(moved.status, 301);
      assert.match(moved.header("location") ?? "", /\/page\.html$/);
    });

    test("a compressed page, in chunks", async () => {
      const packed = await get(stage.sluice.port, "/page.html", "Accept-Encoding: gzip");
      assert.deepEqual([packed.header("content-encoding"), packed.framing], ["gzip", "chunked"]);
      const unpacked = new Response(packed.body).body?.pipeThrough(new DecompressionStream("gzip"));
      assert.equal(await new Response(unpacked).text(), page);
    });

    test("a large upload, stored and fetched back", async () => {
      for (const [name, headers] of [
        ["sized", { "content-length": String(large.length) }],
        ["chunked", {}],
      ] as const) {
        const url = `http://127.0.0.1:${stage.sluice.port}/uploads/${name}`;
        const agent = new Agent();
        const put = {
          method: "PUT",
          body: patternStream(large.length, 9),
          headers,
          dispatcher: agent,
        } as const;
        const { statusCode, body } = await request(url, put);
        await body.dump();
        assert.equal(statusCode, 201);
        assert.equal(sha256(await readFile(stage.directory.join("uploads", name))), sha256(large));
        const back = await request(url, { dispatcher: agent });
        assert.equal(sha256(await back.body.bytes()), sha256(large));
        await agent.close();
      }
    });
  });

  for (const protocol of ["HTTP/1.0", "HTTP/1.1"]) {
    const skip = skipWithout("python3");
    describe(`Python's http.server with ${protocol} behind ${threads} of our threads`, { skip }, () => {
      const stage = {} as { directory: TemporaryDirectory; python: RunningProgram; sluice: RunningSluice };

      before(async () => {
        stage.directory = await createTemporaryDirectory();
        await writeSite(stage.directory);
        const site = ["--bind", "127.0.0.1", "--directory", stage.directory.join("site")];
        const command = ["-u", "-m", "http.server", "0", ...site, "--protocol", protocol];
        stage.python = await startProgram(findProgram("python3") ?? "", command);
        const [, port] = await stage.python.line(/port (\d+)/);
        stage.sluice = await startBefore(stage.directory, Number(port), threads);
      });
      after(async () => {
        await stage.sluice[Symbol.asyncDispose]();
        await stage.python[Symbol.asyncDispose]();
        await stage.directory[Symbol.asyncDispose]();
      });

      testFiles(stage);

      test("a listing, and a method it doesn't know", async () => {
        const listing = await get(stage.sluice.port, "/");
        assert.match(listing.body.toString(), /large\.bin/);
        await using client = await connectRaw(stage.sluice.port);
        const refused = await client.exchange("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
        assert.equal(refused.status, 501);
      });
    });
  }

  describe(`node:http behind ${threads} of our threads`, () => {
    const stage = {} as { directory: TemporaryDirectory; origin: Origin; sluice: RunningSluice };

    before(async () => {
      stage.directory = await createTemporaryDirectory();
      stage.origin = await startOrigin();
      stage.sluice = await startBefore(stage.directory, stage.origin.port, threads);
    });
    after(async () => {
      await stage.sluice[Symbol.asyncDispose]();
      await stage.origin[Symbol.asyncDispose]();
      await stage.directory[Symbol.asyncDispose]();
    });

    test("hundreds of requests on few connections", async () => {
      const agent = new Agent({ connections: 8 });
      const before = stage.origin.connectionCount;
      const url = `http://127.0.0.1:${stage.sluice.port}`;
      await Promise.all(
        Array.from({ length: 400 }, async (_, i) => {
          const size = i * 37;
          const { body } = await request(`${url}/bytes/${size}?seed=${i}`, { dispatcher: agent });
          assert.ok(patternBytes(size, 0, i).equals(await body.bytes()), `body ${i}`);
        }),
      );
      await agent.close();
      const connections = stage.origin.connectionCount - before;
      assert.ok(connections <= 8, `${connections} connections`);
    });

    test("answers before the upload is through, and closes with its answer", async () => {
      const early = await request(`http://127.0.0.1:${stage.sluice.port}/status/413`, {
        method: "POST",
        body: patternBytes(MB),
      });
      assert.equal(early.statusCode, 413);
      await early.body.dump();
      for (let i = 0; i < 5; i++) {
        const { statusCode, body } = await request(`http://127.0.0.1:${stage.sluice.port}/close`);
        assert.deepEqual([statusCode, await body.text()], [200, "closing\n"]);
      }
    });
  });
}
