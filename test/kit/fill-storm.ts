/** A thread that seeks a few keys again and again, and ends what it gets in all ways. Started by `src/cache/fills/fill-table.test.ts`. */
import { parentPort, workerData } from "node:worker_threads";
import { threadAlarms } from "../../src/base/alarms.ts";
import { seededRandom } from "../../src/base/random.ts";
import { type Fill, type FillOwner, FillState } from "../../src/cache/fills/fill.ts";
import { FILL_DEFAULTS } from "../../src/cache/fills/fill-settings.ts";
import { FillTable } from "../../src/cache/fills/fill-table.ts";
import { Predictor } from "../../src/cache/predictor.ts";
import type { FillJob } from "./fill-thread.ts";

export interface StormJob extends FillJob {
  /** Who has claimed each key. */
  readonly claimed: SharedArrayBuffer;
  readonly keys: number;
  readonly rounds: number;
}

const { fills, predictor, thread, claimed, keys, rounds } = workerData as StormJob;
const AT_ONCE = 50;
const claims = new Int32Array(claimed);
const random = seededRandom(`storm ${thread}`);
const means = { clock: threadAlarms, predictor: new Predictor(predictor) };
const table = new FillTable(fills, thread, FILL_DEFAULTS, means);
/** How often each state was come to. */
const states: number[] = new Array(Object.keys(FillState).length).fill(0);
let begun = 0;
let open = 0;

function seekMore(): void {
  while (open < AT_ONCE && begun < rounds) {
    begun++;
    open++;
    new Seeker(Math.floor(random.next() * keys)).seek();
  }
  if (open > 0) return;
  clearInterval(alive);
  parentPort!.postMessage(states);
}

class Seeker implements FillOwner {
  readonly #key: number;
  #hasSought = false;

  constructor(key: number) {
    this.#key = key;
  }

  seek(): void {
    const hash = Int32Array.of(this.#key * 1e9, this.#key, 1, 2);
    const fill = table.seek({ text: "", hash }, this);
    this.#hasSought = true;
    if (fill.state !== FillState.Waiting) setImmediate(() => this.onFill(fill));
  }

  onFill(fill: Fill): void {
    if (!this.#hasSought) throw new Error("told before it had sought");
    states[fill.state]!++;
    if (fill.state !== FillState.Mine) this.#end(fill);
    else if (Atomics.compareExchange(claims, this.#key, 0, 1) !== 0)
      throw new Error("claimed by two at once");
    else if (random.next() < 0.5) this.#endMine(fill);
    else setImmediate(() => this.#endMine(fill));
  }

  #endMine(fill: Fill): void {
    Atomics.store(claims, this.#key, 0);
    const chance = random.next();
    if (chance < 0.5) fill.found();
    else if (chance < 0.8) fill.failed();
    else if (chance < 0.9) fill.unstorable(false);
    this.#end(fill);
  }

  #end(fill: Fill): void {
    fill.leave();
    open--;
    seekMore();
  }
}

// What is waited for keeps no thread alive.
const alive = setInterval(() => undefined, 60_000);
seekMore();
