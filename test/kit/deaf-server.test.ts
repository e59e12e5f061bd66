import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { startDeafServer } from "./deaf-server.ts";

test("an attempt to connect to a deaf server gets no answer", async () => {
  await using server = await startDeafServer();
  const socket = connect(server.port, "127.0.0.1");
  const events: string[] = [];
  for (const event of ["connect", "error"]) socket.on(event, () => events.push(event));
  await delay(100);
  assert.deepEqual(events, []);
  assert.equal(socket.connecting, true);
  socket.destroy();
});
