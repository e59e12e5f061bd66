import assert from "node:assert/strict";
import { test } from "node:test";
import { asksForWebSocket, webSocketAccept } from "./websocket.ts";

test("the answer to a key is that of RFC 6455 §1.3", () => {
  assert.equal(webSocketAccept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert.equal(webSocketAccept(" dGhlIHNhbXBsZSBub25jZQ==\t"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
});

test("a WebSocket is asked for by name, in any case, also as one of several protocols", () => {
  for (const upgrade of ["websocket", "WebSocket", "h2c, websocket", "x/1 ,WEBSOCKET"]) {
    assert.equal(asksForWebSocket(upgrade), true, upgrade);
  }
  for (const upgrade of [null, "", "h2c", "websocket2", "web socket"]) {
    assert.equal(asksForWebSocket(upgrade), false, String(upgrade));
  }
});
