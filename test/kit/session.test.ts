import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession, parseRequest } from "./session.ts";

test("a request is what the parser makes of it", () => {
  const head = parseRequest({ target: "/a?b", headers: ["Connection: Upgrade", "Upgrade: websocket"] });
  assert.deepEqual([head.path, head.query, head.host, head.upgrade], ["/a", "b", "a.example", "websocket"]);
  assert.throws(() => parseRequest({ headers: ["Expect: a miracle"] }), /BAD_EXPECT/);
});

test("a session keeps what it was answered with", () => {
  const lone = createSession({ client: { address: "10.0.0.1" } });
  assert.equal(lone.answer, null);
  lone.session.respond({ status: 204 });
  assert.deepEqual(lone.answer, { status: 204 });
  assert.equal(lone.session.response?.status, 204);
  assert.equal(lone.session.client.address, "10.0.0.1");
});
