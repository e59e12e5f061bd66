import assert from "node:assert/strict";
import { test } from "node:test";
import { fieldsOf } from "./http2-request.ts";

test("a request of HTTP/1 becomes fields of HTTP/2, each cookie one of its own", () => {
  const request =
    "GET /13b HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nAccept: */*\r\nCookie: a=1; b=2:3\r\n\r\n";
  assert.deepEqual(fieldsOf(request), [
    [":method", "GET"],
    [":authority", "a.example"],
    [":path", "/13b"],
    ["accept", "*/*"],
    ["cookie", "a=1"],
    ["cookie", "b=2:3"],
  ]);
});
