import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { test } from "node:test";
import { pino } from "pino";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { NOTHING_STANDING } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { allocateSharedMemory } from "../worker/shared-memory.ts";
import { Generation } from "./generation.ts";
import { SocketKeeper } from "./sockets.ts";
import { TlsKeepers } from "./tls-keepers.ts";
import { WorkerRows } from "./worker-rows.ts";

/** Its first thread never gives its time back once it is to end; the second one crashes when there is a file of that name. */
const program = (crash: string): string => `
import { existsSync } from "node:fs";
import { threadName } from "node:worker_threads";
import { backgroundService, defineServer } from "sluice";

setInterval(() => {
  if (threadName === "sluice worker 1" && existsSync("${crash}")) throw new Error("as it was told");
}, 10);
const stubborn = backgroundService({ name: "stubborn", start: () => undefined, stop: () => { for (;;); } });
export default defineServer({ services: [stubborn] });
`;

test("threads that are lost are told of and give back what they count in", async () => {
  await using folder = await createTemporaryDirectory();
  const spec: RunSpec = {
    ...{ snapshot: null, binds: [], accessLog: null, instance: "test", seed: "0" },
    program: await folder.write("program.ts", program(folder.join("crash"))),
    errorLog: { level: "silent", path: null },
  };
  const lines: string[] = [];
  const log = pino(
    new Writable({
      write(line, _encoding, done) {
        lines.push((JSON.parse(String(line)) as { msg: string }).msg);
        done();
      },
    }),
  );
  const shared = allocateSharedMemory(spec, 2);
  const rows = new WorkerRows(2);
  const clock = new ManualAlarmClock();
  const generation = new Generation(
    1,
    2,
    { spec, shared },
    {
      keepers: { sockets: new SocketKeeper(), tls: new TlsKeepers(log), traffic: new TrafficKeeper() },
      ...{ log, rows, clock, standing: () => NOTHING_STANDING },
      ...{ onEvents: () => undefined, onTraffic: () => undefined },
    },
  );
  await generation.start(NOTHING_STANDING);
  const doomed = generation.workers[1]!;
  await folder.write("crash", "");
  await doomed.ended;
  assert.deepEqual(lines, ["A worker crashed before it listened"]);
  generation.retire();
  let isOver = false;
  const ended = generation.ended.then(() => {
    isOver = true;
  });
  while (!isOver) {
    clock.advance(5_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await ended;
  assert.deepEqual(lines, [
    "A worker crashed before it listened",
    "A worker that only finished what it had doesn't answer any more: it is ended",
  ]);
  assert.equal(rows.free, 2);
});
