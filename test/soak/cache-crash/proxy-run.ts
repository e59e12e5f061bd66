import { Agent, request } from "node:http";
import { buffer } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { diskUsage } from "../../kit/disk-cache.ts";
import { createRandom, type Random } from "../../kit/random.ts";
import { bodyOf, KINDS, KilledProxy, type ProxyPlan, VersionOrigin } from "./proxy-stage.ts";

export interface ProxyCrashPlan extends ProxyPlan {
  readonly keys: number;
  readonly kills: number;
  readonly seed: number;
  /** Milliseconds of load, at the most, until a process is killed. */
  readonly mostLoad: number;
  readonly onRound?: (round: number, served: number, fullest: number) => void;
}

export interface ProxyCrashReport {
  /** Responses that came out of a cache right after a restart. */
  readonly served: number;
  /** Responses that were compared in all. */
  readonly compared: number;
  /** Of the bound, what a folder took at the most right after a kill. */
  readonly fullest: number;
  readonly problems: readonly string[];
}

const CLIENTS = 12;
const TOLERANCE = 1.02;

interface Answer {
  readonly status: number;
  readonly version: number;
  readonly body: Buffer;
}

/**
 * Lets clients use a proxy until it is killed, and again. Every body is compared with what its version must be, and no version may come
 * that was made before a purge or a change that somebody was told has happened.
 */
export async function runProxyCrashes(plan: ProxyCrashPlan): Promise<ProxyCrashReport> {
  const origin = new VersionOrigin();
  const proxy = await KilledProxy.prepare(plan, await origin.listen());
  const run = new Run(plan, origin, proxy);
  try {
    for (let round = 0; round <= plan.kills; round++) await run.round(round, round < plan.kills);
  } finally {
    await proxy.end("SIGKILL");
    origin.close();
  }
  if (plan.kills > 0 && run.served === 0) run.problems.push("nothing was served after any kill");
  if (run.fullest > TOLERANCE) run.problems.push(`a folder took ${run.fullest.toFixed(3)} of its bound`);
  return run;
}

class Run implements ProxyCrashReport {
  served = 0;
  compared = 0;
  fullest = 0;
  readonly problems: string[] = [];
  readonly #plan: ProxyCrashPlan;
  readonly #origin: VersionOrigin;
  readonly #proxy: KilledProxy;
  readonly #random: Random;
  /** The least version that may come, by listener and path. */
  readonly #least = new Map<string, number>();

  constructor(plan: ProxyCrashPlan, origin: VersionOrigin, proxy: KilledProxy) {
    this.#plan = plan;
    this.#origin = origin;
    this.#proxy = proxy;
    this.#random = createRandom(plan.seed);
  }

  async round(number: number, isKilled: boolean): Promise<void> {
    const { mostLoad, mostBytes, join, onRound } = this.#plan;
    await this.#proxy.start();
    const agent = new Agent({ keepAlive: true });
    const before = this.served;
    await this.#look(agent);
    let isOver = false;
    const clients = Array.from({ length: CLIENTS }, () => this.#load(agent, () => isOver));
    await delay(this.#random.next() * mostLoad);
    if (!isKilled) isOver = true;
    await this.#proxy.end(isKilled ? "SIGKILL" : "SIGTERM");
    isOver = true;
    await Promise.all(clients);
    agent.destroy();
    for (const kind of KINDS)
      this.fullest = Math.max(this.fullest, (await diskUsage(join(kind))) / mostBytes);
    onRound?.(number, this.served - before, this.fullest);
  }

  /** What is there after a restart, with nothing fetched. */
  async #look(agent: Agent): Promise<void> {
    for (let i = 0; i < this.#plan.keys * KINDS.length; i++) {
      const [listener, path] = [i % KINDS.length, `/k${Math.floor(i / KINDS.length)}`];
      const least = this.#least.get(`${listener}${path}`) ?? 1;
      const answer = await this.#ask(agent, "GET", listener, path, { "Cache-Control": "only-if-cached" });
      if (answer.status === 504) continue;
      this.#compare(answer, path, least);
      this.served++;
    }
  }

  async #load(agent: Agent, isOver: () => boolean): Promise<void> {
    while (!isOver() && this.problems.length === 0) {
      try {
        await this.#act(agent);
      } catch {
        // The process was killed, or is about to be: what wasn't answered says nothing.
        if (!isOver()) await delay(5);
      }
    }
  }

  async #act(agent: Agent): Promise<void> {
    const random = this.#random;
    const listener = random.below(KINDS.length);
    const path = `/k${Math.floor(this.#plan.keys * random.next() ** 2)}`;
    const place = `${listener}${path}`;
    const kind = random.below(100);
    if (kind < 90) {
      const least = this.#least.get(place) ?? 1;
      this.#compare(await this.#ask(agent, "GET", listener, path, {}), path, least);
      return;
    }
    const made = this.#origin.versionOf(path);
    const { status, version } = await this.#ask(agent, kind < 95 ? "POST" : "PURGE", listener, path, {});
    if (status !== 200 && status !== 404) throw new Error(`answered with ${status}`);
    const gone = kind < 95 ? version : made;
    this.#least.set(place, Math.max(this.#least.get(place) ?? 1, gone + 1));
  }

  #compare({ status, version, body }: Answer, path: string, least: number): void {
    this.compared++;
    if (status !== 200) this.problems.push(`${path} was answered with ${status}`);
    else if (version < least) this.problems.push(`${path} came in version ${version} after ${least} was due`);
    else if (!body.equals(bodyOf(path, version)))
      this.problems.push(`${path} has ${body.length} bytes that aren't those of version ${version}`);
  }

  #ask(
    agent: Agent,
    method: string,
    listener: number,
    path: string,
    headers: Record<string, string>,
  ): Promise<Answer> {
    const port = this.#proxy.ports[listener]!;
    const options = { agent, method, port, path, headers: { Host: "a.example", ...headers } };
    return new Promise((resolve, reject) => {
      const asked = request({ host: "127.0.0.1", ...options }, (response) => {
        const version = Number(response.headers["x-version"] ?? 0);
        const whole = ({ complete }: typeof response, body: Buffer): Answer => {
          if (!complete) throw new Error("cut off");
          return { status: response.statusCode!, version, body };
        };
        buffer(response).then((body) => resolve(whole(response, body)), reject);
      });
      asked.on("error", reject);
      asked.end();
    });
  }
}
