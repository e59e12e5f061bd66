import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { startListening } from "../../e2e/sluice.ts";
import { createTemporaryDirectory } from "../../kit/files.ts";
import { freePort } from "../../kit/ports.ts";
import { type Act, RELOADS, UPGRADES } from "./changes.ts";
import { type Holdings, holdingsText } from "./holdings.ts";
import type { FromOrigin, LoadCounts, LoadTask } from "./messages.ts";
import { ProxyProcess } from "./proxy-process.ts";
import { type Ports, Stage } from "./stage.ts";

export interface LifeOptions {
  readonly seconds: number;
  /** Requests a second. */
  readonly rate: number;
  readonly reloads: number;
  readonly upgrades: number;
  readonly threads: number;
  /** Gets a line whenever something happens. */
  readonly onLine: (line: string) => void;
}

export interface LifeReport {
  readonly seconds: number;
  readonly counts: LoadCounts;
  /** At rest, before anything and when all is over. */
  readonly before: Holdings;
  readonly after: Holdings;
  readonly done: number;
  /** What came out otherwise than it should. */
  readonly problems: readonly string[];
}

/** Milliseconds at rest, until what is young is collected. */
const REST = 3_000;

/** A process under load whose files change, and which is followed by others. */
export async function runLife(options: LifeOptions): Promise<LifeReport> {
  await using folder = await createTemporaryDirectory();
  await using children = new AsyncDisposableStack();
  const origin = children.use(new Helper("origin.ts", {}));
  const { port } = (await origin.next()) as FromOrigin;
  const ports: Ports = {
    ...{ web: await freePort(), secure: await freePort(), admin: await freePort() },
    origin: port,
  };
  const stage = await Stage.open(folder, ports);
  const args = ["run", stage.join("gateway.ts"), "-c", "sluice.yaml", "--threads", String(options.threads)];
  await using _ = await startListening(args, { listeners: 2, cwd: folder.path });
  const proxy = new ProxyProcess(ports, stage);
  await proxy.expectCode(stage);
  const rest = async (): Promise<Holdings> => {
    origin.tell("close idle connections");
    await delay(REST);
    return await proxy.holdings();
  };
  const before = await rest();
  const load = children.use(new Helper("load.ts", { ports, rate: options.rate } satisfies LoadTask));
  proxy.onUpgraded = () => load.tell("upgraded");
  const began = performance.now();
  const { done, problems } = await changeAll(options, stage, proxy);
  const left = options.seconds * 1_000 - (performance.now() - began);
  if (left > 0) await delay(left);
  const seconds = (performance.now() - began) / 1_000;
  load.tell("stop");
  const counts = (await load.last()) as LoadCounts;
  await proxy.settle().catch((error: Error) => void problems.push(error.message));
  return { seconds, counts, before, after: await rest(), done, problems };
}

/** All that is to happen, spread over the time. */
async function changeAll(
  { seconds, reloads, upgrades, onLine }: LifeOptions,
  stage: Stage,
  proxy: ProxyProcess,
): Promise<{ done: number; problems: string[] }> {
  const problems: string[] = [];
  const plan = planOf(reloads, upgrades);
  const began = performance.now();
  const pause = (seconds * 1_000) / (plan.length + 1);
  for (const [i, [name, act]] of plan.entries()) {
    const early = began + (i + 1) * pause - performance.now();
    if (early > 0) await delay(early);
    const start = performance.now();
    try {
      await act(stage, proxy);
      const took = Math.round(performance.now() - start);
      onLine(`${name}: ${took} ms; ${holdingsText(await proxy.holdings())}`);
    } catch (error) {
      problems.push(`${name} (${i + 1}): ${(error as Error).message}`);
      onLine(problems.at(-1)!);
    }
  }
  return { done: plan.length, problems };
}

function planOf(reloads: number, upgrades: number): (readonly [name: string, act: Act])[] {
  const plan = Array.from({ length: reloads }, (_, i) => RELOADS[i % RELOADS.length]!);
  for (let i = 0; i < upgrades; i++) {
    const at = Math.round(((i + 1) * reloads) / (upgrades + 1)) + i;
    // With two of them one is refused.
    plan.splice(at, 0, UPGRADES[(i + (upgrades < UPGRADES.length ? 1 : 0)) % UPGRADES.length]!);
  }
  return plan;
}

/** A process that helps. */
class Helper implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #said: unknown = null;

  constructor(file: string, task: object) {
    this.#child = fork(join(import.meta.dirname, file), [JSON.stringify(task)], { execArgv: [] });
    this.#ended = once(this.#child, "exit");
    this.#child.on("message", (message) => {
      this.#said = message;
    });
  }

  tell(order: string): void {
    if (this.#child.connected) this.#child.send(order);
  }

  async next(): Promise<unknown> {
    return ((await once(this.#child, "message")) as [unknown])[0];
  }

  /** What it said last, once it has ended. */
  async last(): Promise<unknown> {
    await this.#ended;
    return this.#said;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
