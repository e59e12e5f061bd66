import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { makeCertificate } from "../certificate.ts";
import { get } from "../workloads.ts";
import { type LoadSpec, totalErrors } from "./load.ts";
import { ownGenerator } from "./own.ts";

let directory: string;
let spec: Omit<LoadSpec, "handshakes">;
let resumptions: boolean[] = [];
const server = createServer((request, response) => {
  resumptions.push((request.socket as TLSSocket).isSessionReused());
  response.end("Hello, world!");
});

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-bench-test-"));
  const { cert, key } = await makeCertificate(directory);
  server.setSecureContext({ cert: await readFile(cert), key: await readFile(key) });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const requestFile = join(directory, "request");
  await writeFile(requestFile, get("/13b", ["Connection: close"]));
  const { port } = server.address() as AddressInfo;
  spec = { port, requestFile, connections: 2, streams: 1, seconds: 0.5, protocol: "https" };
});

after(async () => {
  server.close();
  await rm(directory, { recursive: true });
});

test("full handshakes take up no session", async () => {
  resumptions = [];
  const result = await ownGenerator.run({ ...spec, handshakes: "full" }, null);
  assert.ok(result.requests > 2, `${result.requests} requests`);
  assert.equal(totalErrors(result.errors), 0);
  assert.ok(!resumptions.includes(true));
});

test("all but the first connection of a client resume its session", async () => {
  resumptions = [];
  const result = await ownGenerator.run({ ...spec, handshakes: "resumed" }, null);
  assert.ok(result.requests > 2, `${result.requests} requests`);
  assert.equal(totalErrors(result.errors), 0);
  assert.equal(resumptions.filter((isResumed) => !isResumed).length, spec.connections);
});
