import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Child, freePort, launch } from "../processes.ts";
import { get, httpWorkloads } from "../workloads.ts";
import { totalErrors } from "./load.ts";
import { ownGenerator } from "./own.ts";
import { waitUntilReady } from "./ready.ts";

// The generator and the origin that stand in where wrk and nginx are missing, against each other.

let directory: string;
let origin: Child;
let port: number;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "sluice-bench-test-"));
  port = await freePort();
  const program = fileURLToPath(import.meta.resolve("../origin/small-origin.ts"));
  origin = launch([process.execPath, program, String(port)]);
  await waitUntilReady(origin, port, { request: get("/13b"), answerBytes: 13, protocol: "http1" });
});

after(async () => {
  await origin.stop();
  await rm(directory, { recursive: true });
});

async function loadWith(request: string): ReturnType<typeof ownGenerator.run> {
  const requestFile = join(directory, "request");
  await writeFile(requestFile, request, "latin1");
  const spec = { port, requestFile, connections: 4, seconds: 0.2, protocol: "http1", streams: 1 } as const;
  return await ownGenerator.run(spec, null);
}

for (const { name, request } of httpWorkloads.filter(({ name }) =>
  /^(small|1m|upload|new-conn)$/.test(name),
)) {
  test(`${name} runs without an error`, async () => {
    const result = await loadWith(request);
    assert.ok(result.requests > 10, `${result.requests} requests`);
    assert.ok(result.p50Micros > 0 && result.p50Micros <= result.p99Micros);
    assert.equal(totalErrors(result.errors), 0);
  });
}

test("answers other than 2xx are counted as errors", async () => {
  const result = await loadWith(get("/nowhere"));
  assert.ok(result.requests > 0);
  assert.equal(result.errors.status, result.requests);
});
