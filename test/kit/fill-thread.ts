/** A thread in which many want the same. Started by `src/cache/fills/fill-table.test.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { idleAlarms } from "../../src/base/alarms.ts";
import { type Fill, type FillOwner, FillState } from "../../src/cache/fills/fill.ts";
import { FILL_DEFAULTS } from "../../src/cache/fills/fill-settings.ts";
import { FillTable } from "../../src/cache/fills/fill-table.ts";
import { Predictor } from "../../src/cache/predictor.ts";

export interface FillJob {
  readonly fills: SharedArrayBuffer;
  readonly predictor: SharedArrayBuffer;
  readonly thread: number;
}

/** A key that 500 are to want, or what the one that has taken over is to say. */
export type FillOrder = { readonly key: number; readonly hash: Int32Array } | "found";

export interface FillReport {
  readonly key: number;
  readonly state: number;
}

const { fills, predictor, thread } = workerData as FillJob;
const settings = { ...FILL_DEFAULTS, longestWait: 600_000, longestClaim: 600_000, mostTries: 3 };
const means = { clock: idleAlarms, predictor: new Predictor(predictor) };
const table = new FillTable(fills, thread, settings, means);
let heir: Fill | null = null;

function report(key: number, { state }: Fill): void {
  parentPort!.postMessage({ key, state } satisfies FillReport);
}

parentPort!.on("message", (order: FillOrder) => {
  if (order === "found") return heir?.found();
  const { key, hash } = order;
  const owner: FillOwner = {
    onFill(fill) {
      if (fill.state === FillState.Mine) heir = fill;
      report(key, fill);
    },
  };
  for (let i = 0; i < 500; i++) report(key, table.seek({ text: `key ${key}`, hash }, owner));
});
