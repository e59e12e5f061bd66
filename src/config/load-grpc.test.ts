import assert from "node:assert/strict";
import { test } from "node:test";
import { parseConfig } from "./load.ts";
import type { ListenerSettings } from "./snapshot.ts";

function listenerOf(keys: string): ListenerSettings {
  return parseConfig(`listeners: [{ bind: 1, upstream: 2, ${keys} }]`, "a.yaml", {}).listeners[0]!;
}

test("calls of gRPC have no limit of time and aren't translated unless that is asked for", () => {
  const { grpcTimeout, grpcWeb, routes } = listenerOf("");
  assert.deepEqual([grpcTimeout, grpcWeb, routes[0]?.grpcTimeout], [0, null, 0]);
  assert.equal(listenerOf("grpc_web: false").grpcWeb, null);
});

test("a listener and a route may limit their time", () => {
  assert.equal(listenerOf("timeouts: { grpc: 30s }").grpcTimeout, 30_000);
  const { listeners } = parseConfig(
    "listeners: [{ bind: 1 }]\nroutes: [{ upstream: 2, grpc_timeout: 5s }]",
    "a.yaml",
    {},
  );
  assert.equal(listeners[0]?.routes[0]?.grpcTimeout, 5_000);
});

test("gRPC-Web is a flag, origins, or a map", () => {
  const none = { origins: [], credentials: false, maxAge: 7_200 };
  assert.deepEqual(listenerOf("grpc_web: true").grpcWeb, none);
  assert.deepEqual(listenerOf("grpc_web: '*'").grpcWeb, { ...none, origins: ["*"] });
  const two = ["https://app.example", "http://localhost:3000"];
  assert.deepEqual(listenerOf("grpc_web: [https://App.example:443/, http://localhost:3000]").grpcWeb, {
    ...none,
    origins: two,
  });
  const map = `{ origins: ${two[0]}, credentials: true, max_age: 90s }`;
  const expected = { origins: ["https://app.example"], credentials: true, maxAge: 90 };
  assert.deepEqual(listenerOf(`grpc_web: ${map}`).grpcWeb, expected);
});
