import assert from "node:assert/strict";
import { once } from "node:events";
import { type ClientHttp2Session, connect } from "node:http2";
import { after, before, describe, test } from "node:test";
import { H2CClient, Pool } from "undici";
import { type RunningSluice, startHttp } from "../e2e/sluice.ts";
import { type Authority, createAuthority } from "../kit/certificates.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { readAnswer } from "../kit/http2-client.ts";
import type { EchoAnswer, UploadAnswer } from "../kit/origin-routes.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { type Finished, runProgram } from "../kit/process.ts";

const MB = 1024 * 1024;
const UPLOAD = patternBytes(3 * MB, 0, 5);

/** What every client gets: the real program before a working server, with TLS and without. */
interface Stage {
  origin: Origin;
  plain: RunningSluice;
  secure: RunningSluice;
  authority: Authority;
  directory: TemporaryDirectory;
  /** A file with `UPLOAD`. */
  upload: string;
  ca: string;
}

const stage = {} as Stage;

before(async () => {
  stage.directory = await createTemporaryDirectory();
  stage.authority = await createAuthority();
  const identity = await stage.authority.issue();
  const cert = await stage.directory.write("cert.pem", identity.cert);
  const key = await stage.directory.write("key.pem", identity.key);
  stage.ca = await stage.directory.write("ca.pem", stage.authority.cert);
  stage.upload = await stage.directory.write("upload", UPLOAD);
  stage.origin = await startOrigin();
  const threads = ["--threads", "2"];
  stage.plain = await startHttp([stage.origin.address], ...threads);
  stage.secure = await startHttp([stage.origin.address], ...threads, "--cert", cert, "--key", key);
});

after(async () => {
  await stage.plain[Symbol.asyncDispose]();
  await stage.secure[Symbol.asyncDispose]();
  await stage.origin[Symbol.asyncDispose]();
  await stage.directory[Symbol.asyncDispose]();
});

test("curl that offers an upgrade to h2c stays with HTTP/1", { skip: skipWithout("curl") }, async () => {
  const args = ["-sS", "--http2", "-w", "%{http_version} %{http_code}"];
  const { stdout } = await run("curl", ...args, urlOf("without TLS", "/"));
  assert.equal(stdout, "origin\n1.1 200");
});

const WAYS = ["without TLS", "with TLS"] as const;
type Way = (typeof WAYS)[number];

function urlOf(way: Way, path: string): string {
  return way === "with TLS"
    ? `https://localhost:${stage.secure.port}${path}`
    : `http://127.0.0.1:${stage.plain.port}${path}`;
}

async function run(name: string, ...args: readonly string[]): Promise<Finished> {
  const finished = await runProgram(findProgram(name)!, args);
  assert.equal(finished.code, 0, finished.stderr + finished.stdout);
  return finished;
}

for (const way of WAYS) {
  describe(`curl ${way}`, { skip: skipWithout("curl") }, () => {
    const flags = (): string[] =>
      way === "with TLS" ? ["--http2", "--cacert", stage.ca] : ["--http2-prior-knowledge"];
    const curl = async (path: string, ...args: string[]): Promise<string> =>
      (await run("curl", "-sS", ...flags(), ...args, urlOf(way, path))).stdout;

    test("GET, and what of the response it tells", async () => {
      const out = await curl("/", "-w", "%{http_version} %{http_code}");
      assert.equal(out, "origin\n2 200");
    });

    test("an upload, its length told and not", async () => {
      for (const fields of [[], ["-H", "Expect: 100-continue"]]) {
        const out = await curl("/upload?seed=5", ...fields, "--data-binary", `@${stage.upload}`);
        assert.deepEqual(pick(JSON.parse(out) as UploadAnswer), [UPLOAD.length, true]);
      }
      const out = await curl("/upload?seed=5", "-X", "POST", "-T", stage.upload);
      assert.deepEqual(pick(JSON.parse(out) as UploadAnswer), [UPLOAD.length, true]);
    });

    // With prior knowledge curl 7.88 spoils its own connection when it sends several at once, whoever the server is.
    const skip = way === "without TLS";
    test("many at once over one connection", { skip }, async () => {
      const out = await curl(
        "/bytes/[1000-1199]",
        "-Z",
        "--parallel-max",
        "100",
        "-o",
        "/dev/null",
        "-w",
        "%{http_version} %{http_code} %{size_download}\n",
      );
      const lines = out.trim().split("\n").sort();
      assert.deepEqual(
        lines,
        Array.from({ length: 200 }, (_, i) => `2 200 ${1_000 + i}`),
      );
    });

    test("HEAD, 204 and trailers", async () => {
      assert.match(await curl("/bytes/1000", "-I"), /^HTTP\/2 200.*content-length: 1000/is);
      assert.equal(await curl("/status/204", "-w", "%{http_code}"), "204");
      assert.match(await curl("/trailers", "-i"), /x-second: 2/i);
    });
  });

  describe(`nghttp ${way}`, { skip: skipWithout("nghttp") }, () => {
    test("several at once, with its table of them", async () => {
      const paths = ["/bytes/100000", "/bytes/200000", "/"].map((path) => urlOf(way, path));
      const { stdout } = await run("nghttp", "-ans", "--no-verify-peer", ...paths);
      const rows = stdout.trim().split("\n").slice(-3);
      for (const row of rows) assert.match(row, / 200 +(7|97K|195K) \//);
    });

    test("an upload in padded frames, with trailers", async () => {
      const url = urlOf(way, "/upload?seed=5");
      const args = ["--no-verify-peer", "--no-content-length", "-b", "100", "--trailer", "x-trailer: end"];
      const { stdout } = await run("nghttp", ...args, "-d", stage.upload, url);
      assert.deepEqual(pick(JSON.parse(stdout) as UploadAnswer), [UPLOAD.length, true]);
    });

    test("trailers reach the server", async () => {
      const args = ["--no-verify-peer", "--no-content-length", "--trailer", "x-trailer: end"];
      const { stdout } = await run("nghttp", ...args, "-d", stage.ca, urlOf(way, "/echo"));
      assert.deepEqual((JSON.parse(stdout) as EchoAnswer).rawTrailers, ["x-trailer", "end"]);
    });

    test("small windows", async () => {
      const url = urlOf(way, "/bytes/300000");
      const { stdout } = await run("nghttp", "-ns", "--no-verify-peer", "-w", "10", "-W", "12", url);
      assert.match(stdout, / 200 +292K \//);
    });
  });

  describe(`h2load ${way}`, { skip: skipWithout("h2load") }, () => {
    test("every request is answered", async () => {
      const { stdout } = await run("h2load", "-n", "5000", "-c", "8", "-m", "32", urlOf(way, "/bytes/100"));
      assert.match(stdout, /Application protocol: h2c?\n/);
      assert.match(stdout, /5000 succeeded, 0 failed, 0 errored, 0 timeout/);
      assert.match(stdout, /status codes: 5000 2xx/);
      assert.match(stdout, /\(500000\) data/);
    });

    test("every upload is answered", async () => {
      const args = ["-n", "40", "-c", "4", "-m", "4", "-d", stage.upload];
      const { stdout } = await run("h2load", ...args, urlOf(way, "/upload"));
      assert.match(stdout, /40 succeeded, 0 failed, 0 errored, 0 timeout/);
    });
  });

  describe(`h2spec ${way}`, { skip: skipWithout("h2spec") }, () => {
    test("has nothing to say", async () => {
      const { hostname, port } = new URL(urlOf(way, "/"));
      const tls = way === "with TLS" ? ["-t", "-k"] : [];
      // What is no preface is an HTTP/1 request on this port, and answered as one.
      const specs = way === "with TLS" ? [] : ["generic", "hpack", ...HTTP2_SECTIONS];
      const { stdout } = await run("h2spec", "--strict", ...tls, "-h", hostname, "-p", port, ...specs);
      assert.match(stdout, / 0 failed/);
    });
  });

  describe(`node:http2 ${way}`, () => {
    let session: ClientHttp2Session;
    before(async () => {
      // Megabytes; what waits to be sent of all bodies lies in it at once.
      session = connect(urlOf(way, "/"), { ca: stage.authority.cert, maxSessionMemory: 100 });
      await once(session, "connect");
    });
    after(() => session.destroy());

    test("thousands of requests over one connection, each with its own answer", async () => {
      const count = 4_000;
      const atOnce = 100;
      let next = 0;
      const worker = async (): Promise<void> => {
        for (let i = next++; i < count; i = next++) {
          const stream = session.request({ ":method": "POST", ":path": `/echo?n=${i}`, "x-n": String(i) });
          stream.end(String(i).repeat(i % 50));
          const { status, body } = await readAnswer(stream);
          const echo = JSON.parse(body.toString()) as EchoAnswer;
          assert.deepEqual([status, echo.url, echo.body], [200, `/echo?n=${i}`, String(i).repeat(i % 50)]);
          assert.equal(echo.rawHeaders[echo.rawHeaders.indexOf("x-n") + 1], String(i));
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
    });

    test("large bodies both ways at once", async () => {
      const one = async (): Promise<void> => {
        const stream = session.request({ ":method": "POST", ":path": "/upload?seed=5" });
        stream.end(UPLOAD);
        const { body } = await readAnswer(stream);
        assert.deepEqual(pick(JSON.parse(body.toString()) as UploadAnswer), [UPLOAD.length, true]);
      };
      const other = async (): Promise<void> => {
        const { body } = await readAnswer(session.request({ ":path": "/bytes/3000000?seed=1" }));
        assert.ok(body.equals(patternBytes(3_000_000, 0, 1)));
      };
      await Promise.all(Array.from({ length: 8 }, (_, i) => (i % 2 === 0 ? one() : other())));
    });
  });

  describe(`undici ${way}`, () => {
    const create = (): H2CClient | Pool =>
      way === "with TLS"
        ? new Pool(urlOf(way, ""), { allowH2: true, connections: 1, connect: { ca: stage.authority.cert } })
        : new H2CClient(urlOf(way, ""));

    test("requests at once", async () => {
      const client = create();
      const one = async (i: number): Promise<void> => {
        const { statusCode, body } = await client.request({
          path: `/echo?n=${i}`,
          method: "POST",
          body: `body ${i}`,
        });
        const echo = (await body.json()) as EchoAnswer;
        assert.deepEqual([statusCode, echo.url, echo.body], [200, `/echo?n=${i}`, `body ${i}`]);
      };
      await Promise.all(Array.from({ length: 500 }, (_, i) => one(i)));
      await client.close();
    });

    test("a large body", async () => {
      const client = create();
      const { body } = await client.request({ path: "/upload?seed=5", method: "POST", body: UPLOAD });
      assert.deepEqual(pick((await body.json()) as UploadAnswer), [UPLOAD.length, true]);
      await client.close();
    });
  });
}

/** All of it but the invalid preface, `http2/3.5/2`. */
const HTTP2_SECTIONS = ["http2/3.5/1", "http2/4", "http2/5", "http2/6", "http2/7", "http2/8"];

function pick({ bytes, pattern }: UploadAnswer): [number, boolean] {
  return [bytes, pattern];
}
