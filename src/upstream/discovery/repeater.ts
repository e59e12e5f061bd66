import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import type { Random } from "../../base/random.ts";

/** What a discovery is given: time and chance. */
export interface DiscoveryMeans {
  readonly clock: AlarmClock;
  readonly random: Random;
}

/** By what share a pause may be longer, so that many proxies don't all ask in the same moment. */
const JITTER = 0.05;

/** One round. Never rejects; the signal says that nobody waits for it any more. Milliseconds until the next one. */
export type Round = (signal: AbortSignal) => Promise<number>;

/** Does something again and again: a round begins when the pause that the last one asked for has passed. */
export class Repeater {
  readonly #means: DiscoveryMeans;
  readonly #round: Round;
  readonly #alarm: Alarm;
  readonly #stopping: AbortController = new AbortController();
  #isRunning = false;
  #regularAt = Number.POSITIVE_INFINITY;
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(means: DiscoveryMeans, round: Round) {
    this.#means = means;
    this.#round = round;
    this.#alarm = new Alarm(means.clock, () => void this.#run());
  }

  /** Resolves when the first round has ended. */
  async start(): Promise<void> {
    if (!this.#stopping.signal.aborted) await this.#run();
  }

  /** The next round begins at `at` on the clock's time, if not before; the last such wish counts. */
  wake(at: number): void {
    if (this.#stopping.signal.aborted) return;
    this.#wakeAt = at;
    if (!this.#isRunning) this.#wind();
  }

  stop(): void {
    this.#stopping.abort();
    this.#alarm.clear();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock, random } = this.#means;
    this.#wakeAt = Number.POSITIVE_INFINITY;
    this.#isRunning = true;
    const pause = await this.#round(signal);
    this.#isRunning = false;
    if (signal.aborted) return;
    this.#regularAt = clock.now() + pause * (1 + JITTER * random.next());
    this.#wind();
  }

  #wind(): void {
    this.#alarm.set(Math.min(this.#regularAt, this.#wakeAt));
  }
}
