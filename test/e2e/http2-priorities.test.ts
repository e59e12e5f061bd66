import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameType } from "../../src/http2/frames.ts";
import { SettingId } from "../../src/http2/settings.ts";
import type { Session } from "../../src/proxy/session.ts";
import { connectFrames, type FrameClient } from "../kit/http2-frame-client.ts";
import { frame, uint32 } from "../kit/http2-frames.ts";
import { startOrigin } from "../kit/origins.ts";
import { type FrameStage, startFrameStage } from "./frame-stage.ts";
import { startProxy } from "./proxy.ts";

/** All of it waits here at once, in four frames. */
const BODY = Buffer.alloc(60_000);
const answering = { requestFilter: (session: Session) => session.respond({ status: 200, body: BODY }) };

/** Tells the priority of a stream by a frame (RFC 9218 §7.1). */
function tellPriority(client: FrameClient, id: number, priority: string): void {
  client.socket.write(
    frame(FrameType.PriorityUpdate, 0, 0, Buffer.concat([uint32(id), Buffer.from(priority)])),
  );
}

/** A client that lets streams send nothing until it has asked for all that it wants. */
async function startStage(): Promise<FrameStage> {
  const stage = await startFrameStage({ phases: answering });
  stage.client.sendSettings([[SettingId.InitialWindowSize, 0]]);
  return stage;
}

/** Opens all windows, and tells in which order the streams sent their bodies: those in turns as one, in brackets. */
async function orderOf(client: FrameClient, ids: readonly number[]): Promise<string> {
  for (const id of ids) await client.statusOf(id);
  client.sendSettings([[SettingId.InitialWindowSize, 1_000_000]]);
  await client.until(() => ids.every((id) => client.endOf(id) === "end"));
  return groupsOf(client.order);
}

/** Streams whose frames lie between each other's are one group. */
function groupsOf(order: readonly number[]): string {
  const groups: number[][] = [];
  for (const [at, id] of order.entries()) {
    if (groups.some((group) => group.includes(id))) continue;
    const last = groups.at(-1);
    if (last !== undefined && order.indexOf(last[0]!, at) !== -1) last.push(id);
    else groups.push([id]);
  }
  return groups.map((group) => (group.length === 1 ? group[0] : `[${group.join(" ")}]`)).join(" ");
}

test("the more urgent come first, incremental ones share (RFC 9218)", async () => {
  await using stage = await startStage();
  const { client } = stage;
  client.request(1, true, [["priority", "u=7"]]);
  client.request(3, true, [["priority", "u=5, i"]]);
  client.request(5, true, [["priority", "u=5, i"]]);
  client.request(7, true, [["priority", "u=0"]]);
  client.request(9, true, [["priority", "u=1"]]);
  client.request(11, true, [["priority", "u=1"]]);
  assert.equal(await orderOf(client, [1, 3, 5, 7, 9, 11]), "7 9 11 [3 5] 1");
});

test("streams that nothing was said of share", async () => {
  await using stage = await startStage();
  for (const id of [1, 3, 5]) stage.client.request(id, true);
  assert.equal(await orderOf(stage.client, [1, 3, 5]), "[1 3 5]");
});

test("a frame changes the priority of a stream that waits, whatever its request said", async () => {
  await using stage = await startStage();
  const { client } = stage;
  for (const id of [1, 3, 5]) client.request(id, true, [["priority", "u=3"]]);
  await client.statusOf(5);
  tellPriority(client, 5, "u=0");
  tellPriority(client, 1, "u=6");
  assert.equal(await orderOf(client, [1, 3, 5]), "5 3 1");
});

test("a frame that overtakes its request is heeded", async () => {
  await using stage = await startStage();
  const { client } = stage;
  tellPriority(client, 5, "u=7");
  tellPriority(client, 5, "u=0");
  tellPriority(client, 1, "u=7");
  for (const id of [1, 3, 5]) client.request(id, true, [["priority", "u=3"]]);
  assert.equal(await orderOf(client, [1, 3, 5]), "5 3 1");
});

test("responses of a server, of which there is never all at once", async () => {
  await using origin = await startOrigin();
  await using proxy = await startProxy({ origin });
  await using client = await connectFrames(proxy.port);
  client.sendSettings([[SettingId.InitialWindowSize, 0]]);
  const priorities = ["u=7", "u=7, i", "u=0"];
  for (const [i, priority] of priorities.entries()) {
    const pseudo = [
      [":method", "GET"],
      [":scheme", "http"],
      [":authority", "a"],
      [":path", "/bytes/1000000"],
    ] as const;
    client.request(1 + 2 * i, true, [...pseudo, ["priority", priority]]);
  }
  await orderOf(client, [1, 3, 5]);
  const [whole, shared, urgent] = [1, 3, 5].map((id) => client.order.lastIndexOf(id));
  assert.ok(urgent! < whole! && urgent! < shared!, `${urgent}, ${whole}, ${shared}`);
});

test("what can't be a priority says nothing, a stream that can't be is an error", async () => {
  await using stage = await startStage();
  const { client } = stage;
  tellPriority(client, 3, "u=");
  client.request(1, true, [["priority", "u=2"]]);
  client.request(3, true);
  assert.equal(await orderOf(client, [1, 3]), "1 3");
  tellPriority(client, 4, "u=0");
  await client.until(() => client.goaway !== "");
  assert.match(client.goaway, /^PROTOCOL_ERROR/);
});
