import assert from "node:assert/strict";
import { test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { startInside } from "./inside.ts";
import { get } from "./sluice.ts";

/** Writes down where it is called, with the context that it began with. */
const TRACE = `
import { defineFilter } from "sluice";

let count = 0;

export default defineFilter((name: unknown) => ({
  newContext: () => ({ number: ++count }),
  upstreamRequestFilter: ({ context }, { headers }) => headers.append("X-Sent", name + String(context.number)),
  upstreamResponseFilter({ context }, { headers }) {
    headers.delete("content-length");
    headers.append("X-Fetched", name + String(context.number));
  },
  upstreamResponseBodyFilter: ({ context }, chunk) => chunk === null ? " fetched by " + name + context.number : chunk,
  responseFilter: ({ context, cache }, { headers }) => {
    headers.delete("content-length");
    headers.append("X-Answered", name + String(context.number) + " " + cache.phase);
  },
  responseBodyFilter: ({ context }, chunk) => chunk === null ? ", answered by " + name + context.number : chunk,
}));
`;

test("filters before a cache make what is stored, those behind it what each client gets", async () => {
  await using folder = await createTemporaryDirectory();
  await using origin = await startOrigin();
  let sent: unknown;
  origin.handle("/a", ({ request, response }) => {
    sent = request.headers["x-sent"];
    response.setHeader("Cache-Control", "max-age=60");
    response.end("body");
  });
  await folder.write("trace.ts", TRACE);
  const file = await folder.write(
    "sluice.yaml",
    `
filters:
  outer: { module: ./trace.ts, config: o }
  inner: { module: ./trace.ts, config: i }
listeners:
  - bind: "127.0.0.1:0"
    cache: 4MiB
    filters: [outer]
    routes:
      - { filters: [inner], upstream: "${origin.address}" }
`,
  );
  await using sluice = await startInside(["run", file]);
  const answers = [await get(sluice.port, "/a"), await get(sluice.port, "/a")];
  assert.equal(sent, "o1, i2");
  const told = answers.map((answer) => [
    ...[answer.header("x-fetched"), answer.header("x-answered"), answer.body.toString()],
  ]);
  assert.deepEqual(told, [
    ["i2, o1", "i2 miss, o1 miss", "body fetched by i2 fetched by o1, answered by i2, answered by o1"],
    ["i2, o1", "i4 hit, o3 hit", "body fetched by i2 fetched by o1, answered by i4, answered by o3"],
  ]);
});
