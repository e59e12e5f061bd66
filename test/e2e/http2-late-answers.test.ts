import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { type FrameConnection, type FrameServer, startFrameServer } from "../kit/http2-frame-server.ts";
import { startProxy } from "./proxy.ts";

/*
 * A connection to a server carries the requests of many clients. One that cancels its own must not harm the others', whatever of its
 * answers is on the way by then.
 */

const peer = { protocol: "h2c" } as const;
const CANCEL = 8;

/** The only connection there is, once it has this request. */
async function connectionWith(origin: FrameServer, index: number): Promise<FrameConnection> {
  await until("the proxy connects", () => origin.connections.length > 0);
  await origin.connections[0]!.request(index);
  return origin.connections[0]!;
}

/** A whole answer, to a request that its server knows to be cancelled. */
async function answerLate(connection: FrameConnection, index: number): Promise<void> {
  const id = await connection.request(index);
  await connection.until(() => connection.stream(id).reset !== null);
  connection.respond(id, 200, [], false);
  await connection.sendBody(id, Buffer.from("late"), false);
  connection.respond(id, 200, [], true);
}

describe("answers to requests that were cancelled", () => {
  test("may come when hundreds of others are over", async () => {
    const others = 300;
    await using origin = await startFrameServer(async (connection) => {
      const held = await connection.request(0);
      for (let i = 0; i < others; i++) await connection.answer(await connection.request(i + 2), "ok");
      await answerLate(connection, 1);
      await connection.answer(held, "held");
    });
    await using proxy = await startProxy({ origin, peer });
    await using client = new Http2Client(proxy.port);
    const held = client.get("/held");
    await connectionWith(origin, 0);
    const cancelled = client.open({ ":path": "/cancelled" }, true);
    await connectionWith(origin, 1);
    cancelled.close(CANCEL);
    for (let i = 0; i < others; i++) assert.equal((await client.get("/")).status, 200);
    assert.equal((await held).body.toString(), "held");
    assert.equal(origin.connections.length, 1);
  });

  test("may be as many as there are clients that cancel", async () => {
    const [clients, rounds, breadth] = [5, 5, 100];
    await using origin = await startFrameServer(async (connection) => {
      for (let i = 0; i < clients * rounds * breadth; i++) await answerLate(connection, i);
      await connection.answer(await connection.request(clients * rounds * breadth), "well");
    });
    await using proxy = await startProxy({ origin, peer });
    let last = -1;
    for (let i = 0; i < clients; i++) {
      await using client = new Http2Client(proxy.port);
      for (let round = 0; round < rounds; round++) {
        const streams = Array.from({ length: breadth }, () => client.open({ ":path": "/" }, true));
        last += breadth;
        await connectionWith(origin, last);
        for (const stream of streams) stream.close(CANCEL);
      }
    }
    await using client = new Http2Client(proxy.port);
    assert.equal((await client.get("/")).body.toString(), "well");
    assert.deepEqual([origin.connections.length, proxy.count("upstreamFloods")], [1, 0]);
  });
});
