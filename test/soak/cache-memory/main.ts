/** Threads that do random things to one memory store for long, and are killed in the middle: node test/soak/cache-memory/main.ts --help */
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { freshSeed, type Random, seededRandom } from "../../../src/base/random.ts";
import { MemoryStore } from "../../../src/cache/stores/memory/memory-store.ts";
import { allocateMemoryStore, Header } from "../../../src/cache/stores/memory/store-memory.ts";
import { cacheKey } from "../../kit/cache-store.ts";
import type { CacheThreadData, CacheThreadReport } from "../../kit/cache-thread.ts";

const usage = `Usage: node test/soak/cache-memory/main.ts [options]

Threads write, read, freshen, remove and clear what lies in one memory store, check every byte that they read, also while others
write it, and all but one are ended somewhere in the middle, again and again. Ends with 1 when a byte was another one, or
when memory is missing afterwards.

Options:
  --threads <n>     default: 3
  --operations <n>  of each of four lanes in each thread that lives to its end (default: 20000)
  --kills <n>       default: 200
  --bytes <n>       of the store: little makes entries go (default: 1048576)
  --seed <text>     of what each thread does; what they do to each other is never the same
`;

/** Milliseconds that a thread has at most before it is killed. */
const MOST_LIFE = 60;
/** At least as many as `test/kit/cache-thread.ts` has. */
const KEYS = 100;

class Soak {
  readonly #buffer: SharedArrayBuffer;
  readonly #main: MemoryStore;
  readonly #threads: number;
  readonly #operations: number;
  readonly #random: Random;
  readonly #seed: string;
  #killsLeft: number;
  #killedInside = 0;
  #read = 0;
  #underWay = 0;

  constructor({ threads, operations, kills, bytes, seed }: Readonly<Record<string, string>>) {
    this.#threads = Number(threads);
    this.#operations = Number(operations);
    this.#killsLeft = Number(kills);
    this.#seed = seed!;
    this.#random = seededRandom(this.#seed);
    const rows = this.#threads + 1;
    this.#buffer = allocateMemoryStore({ mostBytes: Number(bytes), rows, mostEntryBytes: 200_000 });
    this.#main = new MemoryStore(this.#buffer, this.#threads);
  }

  /** @returns bytes that are missing */
  async run(): Promise<number> {
    const { bytes } = this.#main.stats;
    await Promise.all(Array.from({ length: this.#threads }, (_, row) => this.#live(row)));
    const { hits, misses, evictions, failures } = this.#main.stats;
    for (let i = 0; i < KEYS; i++) this.#main.remove(cacheKey(`/${i}`));
    const missing = this.#main.stats.bytes - bytes;
    process.stdout.write(`seed ${this.#seed}: ${this.#read} bodies read to their end, ${this.#underWay} of them from when they were being written;
${hits} hits, ${misses} misses, ${evictions} went for others, ${failures} writers failed or were killed;
${this.#killedInside} threads were killed inside the structure; ${missing} bytes are missing
`);
    return missing;
  }

  async #live(row: number): Promise<void> {
    for (let life = 0; row > 0 && this.#killsLeft > 0; life++) {
      this.#killsLeft--;
      await this.#kill(row, this.#start(row, 0, life));
    }
    await this.#finish(this.#start(row, this.#operations, -1));
  }

  #start(row: number, operations: number, life: number): Worker {
    const seed = `${this.#seed} ${row} ${life}`;
    const workerData: CacheThreadData = { buffer: this.#buffer, row, seed, operations };
    return new Worker(new URL("../../kit/cache-thread.ts", import.meta.url), { workerData });
  }

  async #kill(row: number, worker: Worker): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      worker.on("error", reject);
      worker.once("message", () => {
        setTimeout(() => void worker.terminate(), this.#random.next() * MOST_LIFE);
      });
      worker.once("exit", () => resolve());
    });
    const holder = Atomics.load(new Int32Array(this.#buffer), Header.Lock) >>> 20;
    if (holder === row + 1) this.#killedInside++;
    this.#main.forgetThread(row);
  }

  async #finish(worker: Worker): Promise<void> {
    const report = await new Promise<CacheThreadReport>((resolve, reject) => {
      worker.on("error", reject);
      worker.on("message", (message: CacheThreadReport | "begun") => message === "begun" || resolve(message));
    });
    this.#read += report.read;
    this.#underWay += report.underWay;
  }
}

const { values } = parseArgs({
  options: {
    threads: { type: "string", default: "3" },
    operations: { type: "string", default: "20000" },
    kills: { type: "string", default: "200" },
    bytes: { type: "string", default: "1048576" },
    seed: { type: "string", default: freshSeed() },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) process.stdout.write(usage);
else {
  const { help: _, ...settings } = values;
  if ((await new Soak(settings).run()) !== 0) process.exitCode = 1;
}
