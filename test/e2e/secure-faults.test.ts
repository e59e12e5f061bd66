import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import type { Http2Client } from "../kit/http2-client.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { patternBytes } from "../kit/pattern.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { request } from "./proxy.ts";
import { SERVER_TLS, SecureStage } from "./secure-stage.ts";

/*
 * Every fault that there is, on a listener with TLS: for streams of HTTP/2, for HTTP/1.1, and for connections that are
 * passed on unopened.
 */

const SIZE = 60_000;
const BYTES = `/bytes/${SIZE}`;
const BODY = patternBytes(SIZE);

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function isWhole(client: Http2Client, old: RawClient): Promise<void> {
  const answer = await client.get(BYTES);
  assert.deepEqual([answer.status, answer.code], [200, 0]);
  assert.ok(answer.body.equals(BODY));
  assert.ok((await old.exchange(request(`GET ${BYTES}`))).body.equals(BODY));
}

describe("toxics", () => {
  let origin: Origin;
  let stage: SecureStage;

  before(async () => {
    origin = await startOrigin();
    stage = await SecureStage.start({ listener: { upstream: origin.address } });
  });

  after(async () => {
    await stage[Symbol.asyncDispose]();
    await origin[Symbol.asyncDispose]();
  });

  /** Connections that stood before, with an answer each. */
  async function connected(): Promise<{ client: Http2Client; old: RawClient }> {
    const client = stage.http2();
    const old = await stage.http1();
    assert.equal((await client.get("/")).status, 200);
    assert.equal((await old.exchange(request("GET /"))).status, 200);
    return { client, old };
  }

  for (const [type, attributes, least] of [
    ["latency", { latency: 300 }, 299],
    // 16 of them take more than 5 ms each.
    ["slicer", { average_size: 4_000, delay: 10_000 }, 100],
    ["bandwidth", { rate: 200 }, 250],
  ] as const) {
    test(`${type} slows down what stands, and stops at once`, async () => {
      const { client, old } = await connected();
      await stage.lay(type, attributes);
      for (const get of [() => client.get(BYTES), () => old.exchange(request(`GET ${BYTES}`))]) {
        const time = await timed(get);
        assert.ok(time >= least, `${time}`);
      }
      await isWhole(client, old);
      await stage.lift(type);
      await isWhole(client, old);
    });
  }

  for (const [type, attributes] of [
    ["limit_data", { bytes: 20_000 }],
    ["reset_peer", { timeout: 100 }],
    ["timeout", { timeout: 300 }],
  ] as const) {
    test(`${type} ends what stands, and nothing after it`, async () => {
      const { client, old } = await connected();
      await stage.lay(type, attributes);
      const answer = await client.get(BYTES);
      assert.ok(answer.body.length < SIZE);
      await until("the connection is closed", () => client.closed);
      void old.write(request(`GET ${BYTES}`));
      const left = await old.readToEnd().catch(() => Buffer.alloc(0));
      assert.ok(left.length < SIZE);
      assert.equal(await old.closed, type === "reset_peer" ? "reset" : "end");
      await stage.lift(type);
      const next = await connected();
      await isWhole(next.client, next.old);
    });
  }

  test("timeout closes, when it is taken away, what it has swallowed", async () => {
    const { client, old } = await connected();
    await stage.lay("timeout", { timeout: 0 });
    const answer = client.get("/");
    void old.write(request("GET /"));
    await stage.lift("timeout");
    assert.equal((await answer).status, 0);
    assert.equal((await old.readToEnd()).length, 0);
  });

  test("slow_close keeps the end back", async () => {
    await stage.lay("slow_close", { delay: 500 });
    const old = await stage.http1();
    const response = await old.exchange(request("GET /", "Connection: close"));
    assert.equal(response.status, 200);
    assert.ok((await timed(() => old.readToEnd())) >= 400);
    await stage.lift("slow_close");
  });

  test("idle_timeout closes what is silent", async () => {
    const { client, old } = await connected();
    await stage.lay("idle_timeout", { timeout: 200 });
    await until("it is closed", () => client.closed);
    assert.equal((await old.readToEnd()).length, 0);
    await stage.lift("idle_timeout");
  });

  test("blackhole swallows everything", async () => {
    const { client, old } = await connected();
    await stage.lay("blackhole", {}, "upstream");
    const before = origin.requests.length;
    const answer = client.get("/");
    void old.write(request("GET /"));
    const next = stage.http2();
    const another = next.get("/");
    assert.ok((await timed(() => Promise.race([answer, another, delay(300)]))) >= 299);
    assert.equal(origin.requests.length, before);
    await client[Symbol.asyncDispose]();
    await next[Symbol.asyncDispose]();
    await stage.lift("blackhole");
  });

  for (const stream of ["upstream", "downstream"]) {
    test(`corrupt ${stream} bytes are taken for what they are`, async () => {
      const { client, old } = await connected();
      const before = origin.requests.length;
      await stage.lay("corrupt", { rate: 1 }, stream);
      const answer = await client.get("/");
      assert.notDeepEqual([answer.status, answer.code], [200, 0]);
      void old.write(request("GET /"));
      const heard = await Promise.race([old.readToEnd().catch(() => Buffer.alloc(0)), delay(300)]);
      assert.doesNotMatch(String(heard), /^HTTP\/1.1 200/);
      if (stream === "upstream") assert.equal(origin.requests.length, before);
      await stage.lift("corrupt");
      old.destroy();
      await client[Symbol.asyncDispose]();
      const next = await connected();
      await isWhole(next.client, next.old);
    });
  }

  test("deny resets who comes, with cut also what stands and what is in its handshake", async () => {
    const { client, old } = await connected();
    const silent = await connectRaw(stage.port);
    await stage.setMode({ kind: "deny", cut: false });
    await isWhole(client, old);
    await assert.rejects(stage.http1(), /ECONNRESET|socket disconnected/);
    await stage.setMode({ kind: "deny", cut: true });
    assert.equal(await old.closed, "reset");
    await until("it is closed", () => client.closed);
    assert.equal(await silent.closed, "reset");
    await stage.setMode({ kind: "allow" });
    await connected();
  });

  test("modes throttle, delay, and close what is silent", async () => {
    const { client, old } = await connected();
    await stage.setMode({ kind: "latency", latency: 100, jitter: 0, stream: "both" });
    assert.ok((await timed(() => client.get("/"))) >= 199);
    await stage.setMode({ kind: "throttle", rate: 200_000, stream: "downstream" });
    assert.ok((await timed(() => old.exchange(request(`GET ${BYTES}`)))) >= 250);
    await isWhole(client, old);
    await stage.setMode({ kind: "timeout", timeout: 200, stream: "both" });
    await until("it is closed", () => client.closed);
    await stage.setMode({ kind: "allow" });
  });
});

function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds));
}

describe("connections that are passed on", () => {
  test("have the listener's toxics, and are denied and cut like others", async () => {
    await using passed = await startOrigin({ name: "passed", tls: SERVER_TLS });
    const tls = { passthrough: [{ names: ["passed.example"], upstream: passed.address }] };
    await using stage = await SecureStage.start({ listener: { respond: "own" }, tls, threads: 0 });
    const visit = async (): Promise<RawClient> => {
      const client = await stage.http1("passed.example");
      assert.equal((await client.exchange(request("GET /"))).body.toString(), "passed\n");
      return client;
    };
    const client = await visit();
    await stage.lay("latency", { latency: 200 });
    assert.ok((await timed(() => client.exchange(request("GET /")))) >= 199);
    await stage.lift("latency");
    await stage.setMode({ kind: "deny", cut: false });
    assert.equal((await client.exchange(request("GET /"))).status, 200);
    await assert.rejects(visit());
    await stage.setMode({ kind: "deny", cut: true });
    assert.equal(await client.closed, "reset");
    await stage.setMode({ kind: "allow" });
    await visit();
  });
});
