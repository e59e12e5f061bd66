import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { createTemporaryDirectory } from "./files.ts";
import { freePort, listen } from "./ports.ts";

test("listen returns the port that the kernel chose, or the one that was named", async () => {
  const first = createServer();
  const port = await listen(first);
  assert.ok(port > 0);
  first.close();
  await once(first, "close");

  const second = createServer();
  assert.equal(await listen(second, { port }), port);
  second.close();
});

test("listen serves a Unix socket", async () => {
  await using directory = await createTemporaryDirectory();
  const server = createServer();
  assert.equal(await listen(server, { path: directory.join("socket") }), 0);
  const client = connect(directory.join("socket"));
  await once(client, "connect");
  client.destroy();
  server.close();
  await once(server, "close");
});

test("listen fails on a port that is taken", async () => {
  const first = createServer();
  const port = await listen(first);
  await assert.rejects(listen(createServer(), { port }), { code: "EADDRINUSE" });
  first.close();
});

test("nobody listens on a free port", async () => {
  const client = connect(await freePort(), "127.0.0.1");
  await assert.rejects(once(client, "connect"), { code: "ECONNREFUSED" });
});
