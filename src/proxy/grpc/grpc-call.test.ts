import assert from "node:assert/strict";
import { test } from "node:test";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { ResponseHead } from "../../http/heads.ts";
import { GrpcCall, httpStatusOf, isRefusal } from "./grpc-call.ts";

function ending(status: string, body: 0 | "unknown" = 0): ResponseHead {
  const headers = { "content-type": "application/grpc", "grpc-status": status };
  return ResponseHead.from({ status: 200, headers, body });
}

function call(): GrpcCall {
  return new GrpcCall(new ManualAlarmClock(), { onCallDeadline: () => undefined });
}

test("a status is what gRPC writes as one, and only in an answer that has nothing else", () => {
  assert.ok(isRefusal(ending("14"), [8, 14]));
  assert.equal(httpStatusOf(ending("14")), 503);
  for (const other of ["0x0e", "1.4e1", "14.0", "+14", "-14", "14, 14", "14a", "", "4294967310"]) {
    assert.ok(!isRefusal(ending(other), [0, 14]), other);
    assert.equal(httpStatusOf(ending(other)), 200, other);
  }
  assert.ok(!isRefusal(ending("14", "unknown"), [14]));
});

test("a call's status is known from its head or its trailers, whichever end it", () => {
  for (const [status, known] of [
    ["0", 0],
    ["17", 17],
    ["x", -1],
    ["99999999999", -1],
  ] as const) {
    const atOnce = call();
    atOnce.noteResponse(ending(status), 0);
    atOnce.noteEnd(null);
    assert.equal(atOnce.status, known);
    const later = call();
    later.noteResponse(ending("5", "unknown"), "unknown");
    assert.equal(later.status, -1);
    later.noteEnd(ending(status).headers);
    assert.equal(later.status, known);
  }
});

test("a time that is none is refused, and leaves the call with the one it has", () => {
  const clock = new ManualAlarmClock();
  let ends = 0;
  const limited = new GrpcCall(clock, { onCallDeadline: () => ends++ });
  limited.limit(100);
  assert.throws(() => limited.limit(Number.NaN), RangeError);
  limited.limit(200);
  clock.advance(100);
  assert.equal(ends, 1);
});
