import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, test } from "node:test";
import { startOrigin } from "../../test/kit/origins.ts";
import { listen } from "../../test/kit/ports.ts";
import { connectRaw } from "../../test/kit/raw-client.ts";
import { HttpPeer } from "../upstream/peer.ts";
import { backgroundService } from "./background-service.ts";
import { httpService } from "./http-handler-service.ts";
import { defineProxy } from "./phases.ts";
import { serve } from "./serve.ts";
import { defineServer } from "./service.ts";

const get = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
const hello = httpService({ handler: () => ({ status: 200, body: "hello" }) });

describe("serve", () => {
  test("runs a proxy on a port of the kernel's choice, and tells which", async () => {
    await using origin = await startOrigin({ name: "one" });
    await using server = await serve(defineProxy({ upstreamPeer: () => new HttpPeer(origin.address) }));
    assert.deepEqual(server.addresses, [`127.0.0.1:${server.port}`]);
    assert.deepEqual(server.ports, [server.port]);
    await using client = await connectRaw(server.port);
    assert.equal((await client.exchange(get)).body.toString(), "one\n");
    assert.equal(server.counters.requests, 1);
    assert.equal(server.counters.upstreamConnects, 1);
  });

  test("listens on one address or several", async () => {
    await using one = await serve(hello, { bind: "127.0.0.1:0" });
    await using two = await serve(hello, { bind: ["127.0.0.1:0", "[::1]:0"] });
    assert.equal(one.addresses.length, 1);
    assert.equal(two.addresses.length, 2);
    for (const [index, host] of ["127.0.0.1", "::1"].entries()) {
      await using client = await connectRaw({ host, port: two.ports[index] ?? 0 });
      assert.equal((await client.exchange(get)).body.toString(), "hello");
    }
  });

  test("runs several services with addresses of their own", async () => {
    const named = (name: string): ReturnType<typeof httpService> =>
      httpService({ name, listen: ["127.0.0.1:0"], handler: () => ({ status: 200, body: name }) });
    await using server = await serve(defineServer({ services: [named("a"), named("b")] }));
    for (const [index, name] of ["a", "b"].entries()) {
      await using client = await connectRaw(server.ports[index] ?? 0);
      assert.equal((await client.exchange(get)).body.toString(), name);
    }
  });

  test("may have nothing to listen on", async () => {
    await using server = await serve(backgroundService({ name: "clock", start() {} }));
    assert.deepEqual([server.addresses, server.port], [[], 0]);
  });

  test("refuses what is no program", async () => {
    await assert.rejects(serve({} as never), { name: "TypeError", message: /^This is no program/ });
    await assert.rejects(serve(hello, { bind: "nowhere" }), RangeError);
  });

  test("closes again what it opened when it can't open all", async () => {
    const taken = createServer();
    const port = await listen(taken);
    let stopped = false;
    const background = backgroundService({
      name: "clock",
      start() {},
      stop() {
        stopped = true;
      },
    });
    const http = httpService({ listen: ["127.0.0.1:0", `127.0.0.1:${port}`], handler: () => undefined });
    await assert.rejects(serve([background, http]), { code: "EADDRINUSE" });
    assert.equal(stopped, true);
    taken.close();
  });

  test("reports what goes wrong, and about what", async () => {
    const reported: string[] = [];
    const failing = httpService({
      handler() {
        throw new Error("no such luck");
      },
    });
    await using server = await serve(failing, {
      onError: (error, about) => reported.push(`${about}: ${(error as Error).message}`),
    });
    await using client = await connectRaw(server.port);
    assert.equal((await client.exchange(get)).status, 500);
    assert.equal(reported.length, 1);
    assert.match(reported[0] ?? "", /^GET h\/ from 127\.0\.0\.1: .*no such luck$/);
  });

  test("closes once requests under way are answered, and refuses new connections meanwhile", async () => {
    await using origin = await startOrigin();
    const server = await serve(defineProxy({ upstreamPeer: () => new HttpPeer(origin.address) }));
    await using busy = await connectRaw(server.port);
    await using idle = await connectRaw(server.port);
    await idle.exchange(get);
    const held = busy.exchange("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    await origin.request(1);
    const closed = server.close();
    assert.equal(server.close(), closed);
    assert.equal((await idle.readToEnd()).length, 0);
    await assert.rejects(connectRaw(server.port), { code: "ECONNREFUSED" });
    origin.release();
    const response = await held;
    assert.equal(response.body.toString(), "released\n");
    assert.equal(response.header("connection"), "close");
    await closed;
  });

  test("cuts what lasts longer than the grace period", async () => {
    await using origin = await startOrigin();
    const server = await serve(defineProxy({ upstreamPeer: () => new HttpPeer(origin.address) }));
    await using client = await connectRaw(server.port);
    const held = client.exchange("GET /held HTTP/1.1\r\nHost: h\r\n\r\n");
    await origin.request(0);
    await Promise.all([assert.rejects(held), server.close({ grace: 20 })]);
  });
});
