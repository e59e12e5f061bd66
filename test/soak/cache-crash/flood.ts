// Much through little: node test/soak/cache-crash/flood.ts --total 10240 --bound 1024
//
// Writes entries of all sizes into a cache on disk, ten times what it may hold, and reads some of them, while it looks once a second what the
// folder and the process take.
//
// Says what happens on stderr and what came of it on stdout; exits with 1 when the bound didn't hold or memory grew.

import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { diskUsage, openDiskCache } from "../../kit/disk-cache.ts";
import { createTemporaryDirectory } from "../../kit/files.ts";
import { createRandom } from "../../kit/random.ts";
import { check, newContent, putContent } from "./contents.ts";

const MIB = 1024 * 1024;
const WRITERS = 8;
/** Of the bound. */
const TOLERANCE = 1.02;
/** Of the bound, what folders may have grown since they were counted. */
const FOLDERS = 0.002;
/** Bytes that the process may take more in its second half than in its first. */
const GROWTH = 32 * MIB;

const { values } = parseArgs({
  options: {
    total: { type: "string", default: "10240" },
    bound: { type: "string", default: "1024" },
    help: { type: "boolean", default: false },
  },
});

const HELP = `node test/soak/cache-crash/flood.ts [options]

  --total <MiB>   what is written (10240)
  --bound <MiB>   bound of the cache (1024)
`;

/** Files come and go while one walks through folders: sums are right only while nobody writes. */
class Rest {
  #waiting = 0;
  #all: (() => void) | null = null;
  #wanted = 0;
  #over: PromiseWithResolvers<void> | null = null;

  get isWanted(): boolean {
    return this.#over !== null;
  }

  /** Resolves when so many are pausing. */
  async begin(writers: number): Promise<void> {
    if (writers === 0) return;
    this.#over = Promise.withResolvers();
    this.#wanted = writers;
    await new Promise<void>((resolve) => (this.#all = resolve));
  }

  end(): void {
    this.#over?.resolve();
    this.#over = null;
  }

  async pause(): Promise<void> {
    if (this.#over === null) return;
    if (++this.#waiting === this.#wanted) this.#all?.();
    await this.#over.promise;
    this.#waiting--;
  }
}

/** What was seen once a second, and what was counted at the most in it, files under way included. */
interface Sample {
  readonly written: number;
  readonly usage: number;
  readonly memory: number;
}

async function main(total: number, mostBytes: number): Promise<void> {
  await using folder = await createTemporaryDirectory();
  await using cache = await openDiskCache(folder.join("cache"), { mostBytes });
  const random = createRandom(1);
  const faults: string[] = [];
  let written = 0;
  let turn = 0;
  const rest = new Rest();
  const write = async (): Promise<void> => {
    while (written < total || rest.isWanted) {
      await rest.pause();
      const content = newContent(`k${turn++}`, random);
      await putContent(cache.store, content);
      written += content.length;
      const found = await check(cache.store, `k${random.below(turn)}`);
      if (typeof found === "string") faults.push(found);
    }
  };
  const writers = Promise.all(Array.from({ length: WRITERS }, write));
  const samples: Sample[] = [];
  let counted = 0;
  while (written < total) {
    for (let i = 0; i < 20 && written < total; i++) {
      await Promise.race([delay(50), writers]);
      counted = Math.max(counted, cache.store.stats.bytes);
    }
    await rest.begin(written < total ? WRITERS : 0);
    await cache.store.settled();
    const sample = { written, usage: await diskUsage(cache.folder), memory: process.memoryUsage.rss() };
    if (Math.abs(sample.usage - cache.store.stats.bytes) > FOLDERS * mostBytes)
      faults.push(`it counts ${cache.store.stats.bytes} bytes, the disk ${sample.usage}`);
    samples.push({ ...sample, usage: Math.max(sample.usage, counted) });
    rest.end();
    process.stderr.write(
      `${inMib(written)} written, ${inMib(sample.usage)} on disk, ${inMib(sample.memory)} of memory\n`,
    );
  }
  await writers;
  tell(samples, mostBytes, [...faults, ...cache.problems.map(({ message }) => message)]);
}

function tell(samples: readonly Sample[], mostBytes: number, faults: string[]): void {
  const half = samples.length >> 1;
  const most = (of: readonly Sample[], what: "usage" | "memory"): number =>
    Math.max(...of.map((one) => one[what]));
  const fullest = most(samples, "usage") / mostBytes;
  const [before, after] = [most(samples.slice(0, half), "memory"), most(samples.slice(half), "memory")];
  if (fullest > TOLERANCE) faults.push("the bound didn't hold");
  if (after > before + GROWTH) faults.push("memory grew");
  const lines = [
    `${inMib(samples.at(-1)!.written)} written; the folder took ${(100 * fullest).toFixed(2)} % of its bound at the most`,
    `memory: at most ${inMib(before)} in the first half, ${inMib(after)} in the second`,
    ...faults.map((fault) => `PROBLEM: ${fault}`),
    faults.length === 0 ? "good" : "not good",
  ];
  process.stdout.write(`${lines.join("\n")}\n`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

function inMib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}

if (values.help) process.stdout.write(HELP);
else await main(Number(values.total) * MIB, Number(values.bound) * MIB);
