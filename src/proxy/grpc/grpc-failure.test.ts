import assert from "node:assert/strict";
import { test } from "node:test";
import { toCallAnswer } from "./grpc-failure.ts";

test("an answer that tells its own status keeps it, once, with its words and metadata", () => {
  const headers = { "Grpc-Status": "8", "Grpc-Message": "slow down", "x-more": "1", "Content-Length": "4" };
  assert.deepEqual(toCallAnswer({ status: 503, headers, body: "busy" }), {
    status: 200,
    headers: [
      ["content-type", "application/grpc"],
      ["Grpc-Status", "8"],
      ["Grpc-Message", "slow down"],
      ["x-more", "1"],
    ],
  });
});

test("a text becomes a message that nothing can be smuggled in with", () => {
  const { headers } = toCallAnswer({ status: 403, body: "no: 100%\u0000\r é" });
  assert.deepEqual(headers, [
    ["content-type", "application/grpc"],
    ["grpc-status", "7"],
    ["grpc-message", "no: 100%25%00%0D %C3%A9"],
  ]);
  for (const body of ["two\nlines", "x".repeat(513), "", null]) {
    const answer = toCallAnswer({ status: 403, body });
    assert.deepEqual([...(answer.headers as Iterable<unknown>)].at(-1), [
      "grpc-message",
      "HTTP 403 Forbidden",
    ]);
  }
});
