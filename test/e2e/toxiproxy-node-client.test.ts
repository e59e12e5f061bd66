import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Proxy as ClientProxy, type ToxicType, Toxiproxy } from "toxiproxy-node-client";
import { untilQuick } from "../kit/deadline.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import { type EchoServer, portOf, type RunningToxiproxy, startEcho, startToxiproxy } from "./toxiproxy.ts";

/** Milliseconds that a busy machine may add to a delay. */
const SLACK = 5_000;

let server: RunningToxiproxy;
let echo: EchoServer;
let toxiproxy: Toxiproxy;

before(async () => {
  server = await startToxiproxy();
  echo = await startEcho();
  toxiproxy = new Toxiproxy(server.url);
});

after(async () => {
  await echo[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

function makeProxy(name: string): Promise<ClientProxy> {
  return toxiproxy.createProxy({ name, listen: "localhost:0", upstream: echo.address });
}

function connect({ listen }: ClientProxy): Promise<RawClient> {
  return connectRaw(portOf(listen));
}

async function makeToxic<T>(
  proxy: ClientProxy,
  type: ToxicType,
  attributes: T,
  stream: "upstream" | "downstream" = "downstream",
) {
  return await proxy.addToxic({ name: "", type, stream, toxicity: 1, attributes });
}

async function echoed(client: RawClient, text: string): Promise<{ text: string; took: number }> {
  const started = performance.now();
  void client.write(text);
  const answer = await client.readExactly(text.length);
  return { text: answer.toString(), took: performance.now() - started };
}

describe("the Node client's proxies", () => {
  test("are made, found, listed, changed and removed", async () => {
    const proxy = await makeProxy("crud");
    assert.match(proxy.listen, /^127\.0\.0\.1:\d+$/);
    assert.deepEqual([proxy.name, proxy.upstream, proxy.enabled], ["crud", echo.address, true]);
    assert.equal((await toxiproxy.get("crud")).listen, proxy.listen);
    assert.ok("crud" in (await toxiproxy.getAll()));
    const { listen, upstream } = proxy;
    assert.equal((await proxy.update({ enabled: false, listen, upstream })).enabled, false);
    await assert.rejects(connect(proxy), { code: "ECONNREFUSED" });
    assert.equal((await proxy.update({ enabled: true, listen, upstream })).listen, listen);
    await using client = await connect(proxy);
    assert.equal((await echoed(client, "hello")).text, "hello");
    await proxy.remove();
    await client.closed;
    await assert.rejects(toxiproxy.get("crud"), { message: "Request failed with status code 404" });
  });

  test("aren't made twice", async () => {
    await makeProxy("twice");
    await assert.rejects(makeProxy("twice"), { message: "Request failed with status code 409" });
  });

  test("are populated, and reset", async () => {
    const listen = (await makeProxy("populated")).listen;
    const proxies = await toxiproxy.populate([
      { name: "populated", listen, upstream: echo.address },
      { name: "another", listen: "localhost:0", upstream: echo.address, enabled: false },
    ]);
    assert.deepEqual(Object.keys(proxies), ["populated", "another"]);
    assert.equal(proxies["another"]?.enabled, false);
    await makeToxic(proxies["populated"]!, "latency", { latency: 1000, jitter: 0 });
    await toxiproxy.reset();
    const another = await toxiproxy.get("another");
    assert.equal(another.enabled, true);
    await using client = await connect(await toxiproxy.get("populated"));
    await untilQuick(1000, async () => (await echoed(client, "x")).took);
    await assert.rejects(proxies["populated"]!.getToxic("latency_downstream"), /404/);
  });

  test("come from a server with a version", async () => {
    assert.match(await toxiproxy.getVersion(), /^{"version": "2\.\d+\.\d+\+sluice-[\d.]+"}\n$/);
  });
});

describe("the Node client's toxics", () => {
  test("are added, found, changed and removed", async () => {
    const proxy = await makeProxy("toxics");
    const toxic = await proxy.addToxic({
      name: "slow",
      type: "latency",
      stream: "upstream",
      toxicity: 0.3,
      attributes: { latency: 7, jitter: 1 },
    });
    const json = {
      name: "slow",
      type: "latency",
      stream: "upstream",
      toxicity: 0.3,
      attributes: { latency: 7, jitter: 1 },
    };
    assert.deepEqual(toxic.toJson(), json);
    assert.deepEqual((await proxy.getToxic("slow")).toJson(), json);
    const changed = await toxic.update({
      ...toxic.toJson(),
      toxicity: 1,
      attributes: { latency: 9, jitter: 1 },
    });
    assert.deepEqual(changed.toJson(), { ...json, toxicity: 1, attributes: { latency: 9, jitter: 1 } });
    await toxic.remove();
    await assert.rejects(proxy.getToxic("slow"), /404/);
  });

  test("are refused when they aren't any", async () => {
    const proxy = await makeProxy("refused");
    await assert.rejects(makeToxic(proxy, "nope" as ToxicType, {}), /400/);
    await assert.rejects(makeToxic(proxy, "latency", { latency: "x", jitter: 0 }), /400/);
    await makeToxic(proxy, "latency", { latency: 0, jitter: 0 });
    await assert.rejects(makeToxic(proxy, "latency", { latency: 0, jitter: 0 }), /409/);
  });
});

describe("what the Node client asks for happens:", () => {
  test("latency, on a connection that is open, until it is removed", async () => {
    const proxy = await makeProxy("latency");
    await using client = await connect(proxy);
    await echoed(client, "before");
    const toxic = await makeToxic(proxy, "latency", { latency: 150, jitter: 0 });
    const { took } = await echoed(client, "during");
    assert.ok(took >= 145 && took < SLACK, `${took} ms`);
    await toxic.remove();
    await untilQuick(145, async () => (await echoed(client, "after")).took);
  });

  test("bandwidth", async () => {
    const proxy = await makeProxy("bandwidth");
    await makeToxic(proxy, "bandwidth", { rate: 200 });
    await using client = await connect(proxy);
    const { took } = await echoed(client, "x".repeat(60_000));
    assert.ok(took >= 200 && took < SLACK, `${took} ms`);
  });

  test("slow_close", async () => {
    const proxy = await makeProxy("slow_close");
    await makeToxic(proxy, "slow_close", { delay: 150 });
    await using client = await connect(proxy);
    await echoed(client, "x");
    const started = performance.now();
    client.end();
    await client.readToEnd();
    const took = performance.now() - started;
    assert.ok(took >= 145 && took < SLACK, `${took} ms`);
  });

  test("timeout", async () => {
    const proxy = await makeProxy("timeout");
    await makeToxic(proxy, "timeout", { timeout: 100 });
    await using client = await connect(proxy);
    void client.write("lost");
    assert.equal((await client.readToEnd()).length, 0);
  });

  test("slicer", async () => {
    const proxy = await makeProxy("slicer");
    await makeToxic(proxy, "slicer", { average_size: 10, size_variation: 0, delay: 2000 });
    await using client = await connect(proxy);
    const text = "0123456789".repeat(20);
    void client.write(text);
    const pieces: Buffer[] = [];
    while (Buffer.concat(pieces).length < text.length) pieces.push(await client.readSome());
    assert.equal(Buffer.concat(pieces).toString(), text);
    assert.ok(pieces.length > 5, `${pieces.length} pieces`);
  });

  test("limit_data", async () => {
    const proxy = await makeProxy("limit_data");
    await makeToxic(proxy, "limit_data", { bytes: 5 });
    await using client = await connect(proxy);
    void client.write("0123456789");
    assert.equal((await client.readToEnd()).toString(), "01234");
  });

  test("reset_peer", async () => {
    const proxy = await makeProxy("reset_peer");
    await makeToxic(proxy, "reset_peer", { timeout: 0 }, "upstream");
    await using client = await connect(proxy);
    void client.write("x");
    assert.equal(await client.closed, "reset");
  });
});
