import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { runSluice, startSluice } from "../kit/process.ts";
import { runInside, startInside } from "./inside.ts";
import { get, startHttp, startListening } from "./sluice.ts";

function configuration(upstream: string, threads: number, log: string): string {
  return `threads: ${threads}\n${log}\nlisteners:\n  - bind: 127.0.0.1:0\n    upstream: ${upstream}\n`;
}

/** The numbers of the paths that it names. */
async function pathsIn(log: string): Promise<readonly number[]> {
  const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
  return lines.map((line) => Number(/"GET \/(\d+) /.exec(line)?.[1])).toSorted((a, b) => a - b);
}

describe("an access log", () => {
  test("in a file has every request by the time the program has ended", async () => {
    await using origin = await startOrigin();
    await using folder = await createTemporaryDirectory();
    const log = folder.join("logs", "access.log");
    const file = await folder.write(
      "sluice.yaml",
      configuration(origin.address, 2, `access_log: { path: ${log} }`),
    );
    await using sluice = await startListening(["run", file]);
    for (let i = 0; i < 20; i++) await get(sluice.port, `/${i}`);
    sluice.program.signal("SIGTERM");
    assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
    assert.deepEqual(await pathsIn(log), [...Array(20).keys()]);
    await using appending = await startInside(["run", file]);
    await get(appending.port, "/20");
    assert.equal(await appending.end("SIGTERM"), 0);
    assert.deepEqual(await pathsIn(log), [...Array(21).keys()]);
  });

  for (const threads of [0, 2]) {
    test(`that can't be written keeps the program from starting, with ${threads} threads`, async () => {
      await using folder = await createTemporaryDirectory();
      const text = configuration("127.0.0.1:1", threads, `access_log: { path: ${folder.path} }`);
      const args = ["run", await folder.write("sluice.yaml", text)];
      const { code, stdout, stderr } = await (threads === 0 ? runInside(args) : runSluice(args));
      assert.match(stderr, /^sluice: The log \S+ can't be written: EISDIR.*\n$/);
      assert.deepEqual([code, stdout], [1, ""]);
    });
  }

  test("on a pipe that was closed keeps nothing from being answered or ended", async () => {
    await using origin = await startOrigin();
    await using folder = await createTemporaryDirectory();
    const path = folder.join("web.sock");
    const text = configuration(origin.address, 2, "access_log: json").replace("127.0.0.1:0", `unix:${path}`);
    await using sluice = await startSluice(["run", await folder.write("sluice.yaml", text)]);
    // Before it has said that it listens.
    sluice.closeOutput();
    const isAnswered = (): Promise<boolean> => get({ path }).then(Boolean, () => false);
    await until("it listens", isAnswered);
    for (let i = 0; i < 50; i++) assert.equal((await get({ path }, `/${"x".repeat(500)}`)).status, 404);
    sluice.signal("SIGTERM");
    assert.deepEqual(await sluice.exit(), { code: 0, signal: null });
  });
});

test("the error log tells of servers that are down once, whatever the number of requests", async () => {
  const dead = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  await using sluice = await startHttp(dead, "--threads", "0");
  for (let i = 0; i < 50; i++)
    assert.equal((await get(sluice.port)).body.toString(), "HTTP 502 Bad Gateway\n");
  const codes = [...sluice.program.stderr.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code);
  // A line for each of the two at most, and one for both of them.
  assert.ok(codes.length >= 1 && codes.length <= 3, codes.join());
  assert.equal(codes[0], "UPSTREAM_CONNECT_REFUSED");
});
