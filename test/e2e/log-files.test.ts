import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { createTemporaryDirectory } from "../kit/files.ts";
import { startOrigin } from "../kit/origins.ts";
import { freePort } from "../kit/ports.ts";
import { startSluice } from "../kit/process.ts";
import { get, startHttp, startListening } from "./sluice.ts";

function configuration(upstream: string, threads: number, log: string): string {
  return `threads: ${threads}\n${log}\nlisteners:\n  - bind: 127.0.0.1:0\n    upstream: ${upstream}\n`;
}

describe("an access log", () => {
  for (const threads of [0, 2]) {
    test(`in a file has every request by the time the program has ended, with ${threads} threads`, async () => {
      await using origin = await startOrigin();
      await using folder = await createTemporaryDirectory();
      const log = folder.join("logs", "access.log");
      const text = configuration(origin.address, threads, `access_log: { path: ${log} }`);
      await using sluice = await startListening(["run", await folder.write("sluice.yaml", text)]);
      for (let i = 0; i < 20; i++) await get(sluice.port, `/${i}`);
      sluice.program.signal("SIGTERM");
      assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
      const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
      const paths = lines.map((line) => Number(/"GET \/(\d+) /.exec(line)?.[1]));
      assert.deepEqual(
        paths.toSorted((a, b) => a - b),
        [...Array(20).keys()],
      );
    });

    test(`that can't be written keeps the program from starting, with ${threads} threads`, async () => {
      await using folder = await createTemporaryDirectory();
      const text = configuration("127.0.0.1:1", threads, `access_log: { path: ${folder.path} }`);
      await using sluice = await startSluice(["run", await folder.write("sluice.yaml", text)]);
      assert.deepEqual(await sluice.exit(), { code: 1, signal: null });
      assert.match(sluice.stderr, /^sluice: The log \S+ can't be written: EISDIR.*\n$/);
      assert.equal(sluice.stdout, "");
    });

    test(`on a pipe that was closed keeps nothing from being answered or ended, with ${threads} threads`, async () => {
      await using origin = await startOrigin();
      await using folder = await createTemporaryDirectory();
      const text = configuration(origin.address, threads, "access_log: json");
      await using sluice = await startListening(["run", await folder.write("sluice.yaml", text)]);
      sluice.program.closeOutput();
      for (let i = 0; i < 50; i++) assert.equal((await get(sluice.port, `/${"x".repeat(500)}`)).status, 404);
      sluice.program.signal("SIGTERM");
      assert.deepEqual(await sluice.program.exit(), { code: 0, signal: null });
    });
  }
});

test("the error log tells of servers that are down once, whatever the number of requests", async () => {
  const dead = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  await using sluice = await startHttp(dead, "--threads", "1");
  for (let i = 0; i < 100; i++)
    assert.equal((await get(sluice.port)).body.toString(), "HTTP 502 Bad Gateway\n");
  const codes = [...sluice.program.stderr.matchAll(/"code":"(\w+)"/g)].map(([, code]) => code);
  // A line for each of the two at most, and one for both of them.
  assert.ok(codes.length >= 1 && codes.length <= 3, codes.join());
  assert.equal(codes[0], "UPSTREAM_CONNECT_REFUSED");
});
