import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { diskUsage } from "../../kit/disk-cache.ts";
import { createRandom } from "../../kit/random.ts";
import type { ChildJob, ChildNews, Findings } from "./child.ts";

export interface CrashPlan extends ChildJob {
  readonly kills: number;
  /** Milliseconds of load, at the most, until a process is killed. */
  readonly mostLoad: number;
  /** Told of each process. */
  readonly onRound?: (round: number, found: Findings) => void;
}

export interface CrashReport {
  readonly kills: number;
  /** What each process found. */
  readonly found: readonly Findings[];
  /** Of the bound, what the folder took at the most right after a kill. */
  readonly fullest: number;
  readonly problems: readonly string[];
}

/** Bytes that may be more than the bound says. */
const TOLERANCE = 1.02;

/** Lets one process after the other use a cache and die; each looks at what the one before has left. */
export async function runCrashes(plan: CrashPlan): Promise<CrashReport> {
  const random = createRandom(plan.seed);
  const found: Findings[] = [];
  const problems: string[] = [];
  let fullest = 0;
  for (let round = 0; round <= plan.kills; round++) {
    const life = new Life({ ...plan, seed: plan.seed + round });
    found.push(await life.found);
    plan.onRound?.(round, found.at(-1)!);
    await delay(random.next() * plan.mostLoad);
    if (round < plan.kills) await life.kill();
    else await life.end();
    const usage = await diskUsage(plan.folder);
    fullest = Math.max(fullest, usage / plan.mostBytes);
    problems.push(...life.faults.map((fault) => `round ${round}: ${fault}`));
    problems.push(...faultsOf(found.at(-1)!).map((fault) => `round ${round}: ${fault}`));
  }
  // A cache that forgets everything is right about all that it serves.
  if (plan.kills > 0 && found.slice(1).every(({ served }) => served === 0))
    problems.push("nothing was served after any kill");
  if (fullest > TOLERANCE) problems.push(`the folder took ${fullest.toFixed(3)} of its bound`);
  return { kills: plan.kills, found, fullest, problems };
}

function faultsOf({ entries, files, bytes, usage }: Findings): string[] {
  const faults: string[] = [];
  if (entries !== files) faults.push(`the index has ${entries} entries, the folder ${files} files`);
  if (bytes !== usage) faults.push(`the index counts ${bytes} bytes, the disk ${usage}`);
  return faults;
}

/** A process from its start to its end. */
class Life {
  readonly faults: string[] = [];
  /** @rejects when it dies by itself */
  readonly found: Promise<Findings>;
  readonly #child: ChildProcess;
  #isWanted = false;

  constructor(job: ChildJob) {
    const child = new URL("child.ts", import.meta.url).pathname;
    this.#child = spawn(process.execPath, [child, JSON.stringify(job)], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const { promise, resolve, reject } = Promise.withResolvers<Findings>();
    this.found = promise;
    this.#child.on("message", (news: ChildNews) => {
      if ("found" in news) resolve(news.found);
      if ("fault" in news) this.faults.push(news.fault);
    });
    this.#child.on("exit", (code, signal) => {
      if (!this.#isWanted) this.faults.push(`it ended by itself: ${code ?? signal}`);
      reject(new Error(`the process ended: ${code ?? signal}`));
    });
  }

  async kill(): Promise<void> {
    this.#isWanted = true;
    const exit = once(this.#child, "exit");
    if (this.#child.kill("SIGKILL")) await exit;
  }

  async end(): Promise<void> {
    this.#isWanted = true;
    const exit = once(this.#child, "exit");
    this.#child.send("end");
    const [code] = await exit;
    if (code !== 0) this.faults.push(`it ended with ${code}`);
  }
}
