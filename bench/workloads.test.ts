import assert from "node:assert/strict";
import { test } from "node:test";
import { MessageReader } from "./load/message-reader.ts";
import { cacheWorkloads } from "./peers/in-memory.ts";
import { cachedPath, httpWorkloads, originFiles, workloads } from "./workloads.ts";

for (const { name, request } of httpWorkloads) {
  test(`the request of ${name} is one whole message`, () => {
    const reader = new MessageReader();
    const bytes = Buffer.from(request, "latin1");
    assert.equal(reader.feed(bytes.subarray(0, -1)), false);
    assert.equal(reader.feed(bytes.subarray(-1)), true);
  });
}

test("a browser's request has twenty headers besides Host, and about a kilobyte", () => {
  const request = httpWorkloads.find(({ name }) => name === "browser")?.request ?? "";
  assert.equal(request.trim().split("\r\n").length, 22);
  assert.ok(request.length > 1000 && request.length < 1500, `${request.length} bytes`);
});

test("an upload has 64 KiB of body", () => {
  const reader = new MessageReader();
  const request = httpWorkloads.find(({ name }) => name === "upload")?.request ?? "";
  reader.feed(Buffer.from(request, "latin1"));
  assert.equal(reader.bodyBytes, 65_536);
});

test("names are unique", () => {
  assert.equal(new Set(workloads.map(({ name }) => name)).size, workloads.length);
});

test("hits are of files that the origin lets be kept, and of their length", () => {
  const hits = httpWorkloads.filter(({ only }) => only?.includes("nginx-cache"));
  assert.deepEqual(
    hits.map(({ name }) => name),
    cacheWorkloads,
  );
  for (const { request, answerBytes } of hits) {
    const file = originFiles.find(({ path }) => request.startsWith(`GET ${cachedPath}${path} `));
    assert.equal(file?.bytes, answerBytes);
  }
});
