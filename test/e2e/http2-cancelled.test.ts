import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "../kit/deadline.ts";
import { Http2Client } from "../kit/http2-client.ts";
import { type FrameConnection, type FrameServer, startFrameServer } from "../kit/http2-frame-server.ts";
import { startOrigin } from "../kit/origins.ts";
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

test("answers to a cancelled request may come when hundreds of others are over", async () => {
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
  const answers = await Promise.all(Array.from({ length: others }, () => client.get("/")));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.equal((await held).body.toString(), "held");
  assert.equal(origin.connections.length, 1);
});

test("a server isn't sent so many resets that it would end the connection for the others", async () => {
  await using origin = await startOrigin({ http2: true });
  await using proxy = await startProxy({ origin, peer });
  await using patient = new Http2Client(proxy.port);
  const held = patient.get("/held");
  await origin.request(0);
  let sent = 0;
  for (let round = 0; round < 15; round++) {
    await using client = new Http2Client(proxy.port);
    const streams = Array.from({ length: 100 }, () => client.open({ ":path": "/held" }, true));
    sent += streams.length;
    await until("the server has the requests", () => origin.requests.length > sent);
    for (const stream of streams) stream.close(CANCEL);
  }
  assert.equal((await patient.get("/")).status, 200);
  origin.release();
  assert.equal((await held).status, 200);
  assert.ok(
    origin.connectionCount > 1 && origin.connectionCount < 6,
    `${origin.connectionCount} connections`,
  );
});
