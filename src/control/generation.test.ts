import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { test } from "node:test";
import { pino } from "pino";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory } from "../../test/kit/files.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import { TrafficKeeper } from "../observe/traffic/traffic-keeper.ts";
import { NOTHING_STANDING } from "../worker/orders.ts";
import type { RunSpec } from "../worker/run-spec.ts";
import { allocateSharedMemory } from "../worker/shared-memory.ts";
import { CacheKeepers } from "./cache-keepers.ts";
import { Generation } from "./generation.ts";
import { SocketKeeper } from "./sockets.ts";
import { TlsKeepers } from "./tls-keepers.ts";
import { WorkerRows } from "./worker-rows.ts";

/** Crashes or hangs when there is a file of that name, and hangs when it is to end. */
const program = (folder: string): string => `
import { existsSync, renameSync } from "node:fs";
import { backgroundService, defineServer } from "sluice";

const hang = () => { for (;;); };
setInterval(() => {
  if (existsSync("${folder}/crash")) throw new Error("as it was told");
  if (!existsSync("${folder}/hang")) return;
  renameSync("${folder}/hang", "${folder}/hangs");
  hang();
}, 10);
export default defineServer({
  services: [backgroundService({ name: "stubborn", start: () => undefined, stop: hang })],
});
`;

test("a worker that is lost is told of, and replaced where it isn't about to end", async (t) => {
  await using folder = await createTemporaryDirectory();
  const spec: RunSpec = {
    ...{ snapshot: null, binds: [], accessLog: null, instance: "test", seed: "0" },
    program: await folder.write("program.ts", program(folder.path)),
    errorLog: { level: "silent", path: null },
  };
  const lines: string[] = [];
  const write = (line: string): void => void lines.push((JSON.parse(line) as { msg: string }).msg);
  const log = pino({}, { write });
  const rows = new WorkerRows(1);
  const clock = new ManualAlarmClock();
  const run = { spec, shared: allocateSharedMemory(spec, 1) };
  const generation = new Generation(1, 1, run, {
    keepers: {
      sockets: new SocketKeeper(),
      tls: new TlsKeepers(log),
      traffic: new TrafficKeeper(),
      caches: new CacheKeepers(log, null),
    },
    ...{ log, rows, clock, standing: () => NOTHING_STANDING },
    ...{ onEvents: () => undefined, onTraffic: () => undefined },
  });
  const timePassesUntil = (what: string, condition: () => boolean): Promise<boolean> =>
    until(what, () => {
      clock.advance(5_000);
      return condition();
    });

  t.after(() => generation.stop());
  await generation.start(NOTHING_STANDING);
  const first = generation.first!;
  await folder.write("crash", "");
  await first.ended;
  await rm(folder.join("crash"));
  await generation.listen();
  const second = await until("it is replaced", () => generation.first);
  await second!.ready;

  await folder.write("hang", "");
  await until("it hangs", () => existsSync(folder.join("hangs")));
  await timePassesUntil("it is replaced", () => generation.first !== null && generation.first !== second);
  await generation.first!.ready;

  generation.retire();
  let isOver = false;
  void generation.ended.then(() => {
    isOver = true;
  });
  await timePassesUntil("it has ended", () => isOver);
  assert.deepEqual(lines, [
    "A worker crashed before it listened",
    "A crashed worker was replaced",
    "A worker crashed",
    "A crashed worker was replaced",
    "A worker crashed that only finished what it had",
  ]);
  assert.equal(rows.free, 1);
});
