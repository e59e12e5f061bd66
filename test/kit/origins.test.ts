import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { Agent, type Dispatcher, request } from "undici";
import { createAuthority } from "./certificates.ts";
import { createTemporaryDirectory } from "./files.ts";
import type { EchoAnswer, UploadAnswer } from "./origin-routes.ts";
import { type OriginOptions, startOrigin } from "./origins.ts";
import { PatternVerifier, patternBytes, patternStream } from "./pattern.ts";
import { connectRaw } from "./raw-client.ts";

const authority = await createAuthority();

/** The same routes over everything an origin speaks. */
const protocols: readonly {
  name: string;
  version: string;
  options: OriginOptions;
  agent: Agent.Options;
}[] = [
  { name: "HTTP/1", version: "1.1", options: {}, agent: {} },
  {
    name: "HTTP/1 over TLS",
    version: "1.1",
    options: { tls: await authority.issue() },
    agent: { connect: { ca: authority.cert } },
  },
  {
    name: "HTTP/2 over TLS",
    version: "2.0",
    options: { tls: await authority.issue(), http2: true },
    agent: { allowH2: true, connect: { ca: authority.cert } },
  },
  {
    name: "HTTP/2 in clear text",
    version: "2.0",
    options: { http2: true },
    agent: { h2Options: { useH2c: true } },
  },
];

for (const { name, version, options, agent: agentOptions } of protocols) {
  describe(`an origin over ${name}`, () => {
    async function start() {
      const origin = await startOrigin({ ...options, name: "one" });
      const agent = new Agent({ connections: 1, ...agentOptions });
      const get = (path: string, more: Partial<Dispatcher.RequestOptions> = {}) =>
        request(`${origin.url}${path}`, { dispatcher: agent, method: "GET", ...more });
      const stop = async (): Promise<void> => {
        await agent.destroy();
        await origin[Symbol.asyncDispose]();
      };
      return { origin, get, [Symbol.asyncDispose]: stop };
    }

    test("gives its name", async () => {
      await using kit = await start();
      const response = await kit.get("/");
      assert.equal(await response.body.text(), "one\n");
      assert.equal(response.headers["x-origin"], "one");
    });

    test("gives bytes that can be verified", async () => {
      await using kit = await start();
      const response = await kit.get("/bytes/200000?seed=5");
      assert.equal(response.headers["content-length"], "200000");
      const verifier = new PatternVerifier(5);
      for await (const chunk of response.body) verifier.write(chunk);
      assert.equal(verifier.offset, 200_000);
    });

    test("answers HEAD with the length alone", async () => {
      await using kit = await start();
      const response = await kit.get("/bytes/1000", { method: "HEAD" });
      assert.equal(response.headers["content-length"], "1000");
      assert.equal((await response.body.bytes()).length, 0);
    });

    test("echoes a request", async () => {
      await using kit = await start();
      const response = await kit.get("/echo?x=1", {
        method: "POST",
        body: "a\xffb",
        headers: { "X-Odd": "v" },
      });
      const echo = (await response.body.json()) as EchoAnswer;
      assert.deepEqual([echo.origin, echo.method, echo.url], ["one", "POST", "/echo?x=1"]);
      assert.equal(echo.httpVersion, version);
      assert.equal(echo.body, Buffer.from("a\xffb").toString("latin1"));
      assert.match(echo.rawHeaders.join("\n"), /x-odd\nv/i);
    });

    test("streams a body without a length", async () => {
      await using kit = await start();
      const response = await kit.get("/chunked?chunks=5&size=7");
      assert.equal(response.headers["content-length"], undefined);
      assert.deepEqual(Buffer.from(await response.body.bytes()), patternBytes(35));
    });

    test("answers with a status", async () => {
      await using kit = await start();
      for (const status of [200, 204, 304, 404, 503]) {
        const response = await kit.get(`/status/${status}`);
        assert.equal(response.statusCode, status);
        await response.body.dump();
      }
      assert.equal((await kit.get("/no-such-route")).statusCode, 404);
    });

    test("checks an upload", async () => {
      await using kit = await start();
      const good = await kit.get("/upload?seed=2", { method: "PUT", body: patternStream(300_000, 2) });
      const sha256 = createHash("sha256")
        .update(patternBytes(300_000, 0, 2))
        .digest("hex");
      const expected: UploadAnswer = { bytes: 300_000, sha256, pattern: true };
      assert.deepEqual(await good.body.json(), expected);
      const wrong = await kit.get("/upload?seed=2", { method: "PUT", body: "something else" });
      assert.equal(((await wrong.body.json()) as UploadAnswer).pattern, false);
    });

    test("sends trailers", async () => {
      await using kit = await start();
      const response = await kit.get("/trailers");
      assert.equal(await response.body.text(), "body\n");
      assert.deepEqual({ ...response.trailers }, { "x-first": "1", "x-second": "2" });
    });

    test("is slow when asked to be", async () => {
      await using kit = await start();
      const begin = performance.now();
      const response = await kit.get("/slow?head=20&body=20");
      assert.equal(await response.body.text(), "slow\n");
      assert.ok(performance.now() - begin > 30);
    });

    test("holds an answer back until it is released", async () => {
      await using kit = await start();
      const pending = kit.get("/held");
      await kit.origin.request(0);
      kit.origin.release();
      assert.equal(await (await pending).body.text(), "released\n");
    });

    test("breaks off before and within an answer", async () => {
      await using kit = await start();
      await assert.rejects(kit.get("/drop"));
      const response = await kit.get("/cut/1000");
      await assert.rejects(response.body.bytes());
      assert.equal(await (await kit.origin.request(1)).finished, false);
    });

    test("closes its connection after an answer", async () => {
      await using kit = await start();
      assert.equal(await (await kit.get("/close")).body.text(), "closing\n");
      assert.equal(await (await kit.get("/")).body.text(), "one\n");
      assert.equal(kit.origin.connectionCount, 2);
    });

    test("records its requests, and which connection they came over", async () => {
      await using kit = await start();
      for (let i = 0; i < 2; i++) await (await kit.get("/", { headers: { "x-count": `${i}` } })).body.dump();
      const [first, second] = kit.origin.requests;
      assert.deepEqual([first?.method, first?.url, first?.httpVersion], ["GET", "/", version]);
      assert.deepEqual([first?.headers["x-count"], second?.headers["x-count"]], ["0", "1"]);
      assert.deepEqual([first?.connection, second?.connection], [0, 0]);
      assert.equal(await first?.finished, true);
      assert.equal(kit.origin.openConnections, 1);
    });

    test("lets the test answer a path", async () => {
      await using kit = await start();
      kit.origin.handle("/own", ({ response, url }) => {
        response.setHeader("x-query", url.search);
        response.end("own");
      });
      const response = await kit.get("/own?a=b");
      assert.deepEqual([response.headers["x-query"], await response.body.text()], ["?a=b", "own"]);
    });

    test("breaks off when a handler fails", async () => {
      await using kit = await start();
      kit.origin.handle("/wrong", () => {
        throw new Error("the handler is wrong");
      });
      await assert.rejects(kit.get("/wrong"));
    });
  });
}

test("an origin comes back on its port", async () => {
  let port: number;
  {
    await using origin = await startOrigin({ name: "first" });
    port = origin.port;
  }
  await using again = await startOrigin({ name: "second", port });
  await using client = await connectRaw(again.port);
  assert.equal((await client.exchange("GET / HTTP/1.1\r\nhost: x\r\n\r\n")).body.toString(), "second\n");
});

test("an origin serves a Unix socket", async () => {
  await using directory = await createTemporaryDirectory();
  const path = directory.join("origin.sock");
  await using _origin = await startOrigin({ path });
  await using client = await connectRaw({ path });
  const response = await client.exchange("GET /chunked?chunks=2&size=3 HTTP/1.1\r\nhost: x\r\n\r\n");
  assert.deepEqual([response.framing, response.body], ["chunked", patternBytes(6)]);
});
