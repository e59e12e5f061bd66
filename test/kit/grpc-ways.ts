import assert from "node:assert/strict";
import { status as Status } from "@grpc/grpc-js";
import { type GrpcClient, statusOf } from "./grpc.ts";

/** How many calls are under way at a time. */
const ABREAST = 200;

/** Ways for a call to end; each asserts that it went as it should. */
const WAYS: readonly ((client: GrpcClient, text: string) => Promise<void>)[] = [
  answered,
  streamed,
  answered,
  cancelledInTheMiddle,
  answered,
  outOfTime,
  answered,
  failed,
  answered,
  cancelledAtOnce,
];

async function answered(client: GrpcClient, text: string): Promise<void> {
  const { code, message } = await client.unary(text);
  assert.deepEqual([code, message?.toString()], [Status.OK, text]);
}

async function streamed(client: GrpcClient): Promise<void> {
  const { status, messages, bytes } = await statusOf(client.download("3 100"));
  assert.deepEqual([status.code, messages, bytes], [Status.OK, 3, 300]);
}

async function failed(client: GrpcClient, text: string): Promise<void> {
  const { code, details } = await client.unary("", { "x-fail": `9:${encodeURIComponent(text)}` });
  assert.deepEqual([code, details], [Status.FAILED_PRECONDITION, text]);
}

async function cancelledInTheMiddle(client: GrpcClient): Promise<void> {
  const call = client.download("1 10 open");
  call.once("data", () => call.cancel());
  const { status, messages } = await statusOf(call);
  assert.deepEqual([status.code, messages], [Status.CANCELLED, 1]);
}

async function cancelledAtOnce(client: GrpcClient): Promise<void> {
  const call = client.download("1 10 open");
  setImmediate(() => call.cancel());
  assert.equal((await statusOf(call)).status.code, Status.CANCELLED);
}

async function outOfTime(client: GrpcClient): Promise<void> {
  const { code } = await client.unary("", { "x-wait": "-1" }, { timeout: 100 });
  assert.equal(code, Status.DEADLINE_EXCEEDED);
}

/** Makes so many calls, a few hundred at a time: most are answered, others fail, are cancelled, or run out of time. */
export async function callsInAllWays(client: GrpcClient, count: number): Promise<void> {
  for (let first = 0; first < count; first += ABREAST) {
    const numbers = Array.from({ length: Math.min(ABREAST, count - first) }, (_, i) => first + i);
    await Promise.all(numbers.map((number) => WAYS[number % WAYS.length]!(client, `call ${number}`)));
  }
}
