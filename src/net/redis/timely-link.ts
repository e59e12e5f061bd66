import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import type { RedisWord } from "./redis-connection.ts";
import type { RedisLink, RedisWatcher } from "./redis-link.ts";

/** Somebody who waits for an answer. */
class Asked {
  readonly until: number;
  readonly answer: PromiseWithResolvers<unknown> = Promise.withResolvers();

  constructor(until: number) {
    this.until = until;
  }
}

/** Asks a Redis, and waits for no answer longer than it may take: the first one that is late is the sign that Redis is away, for all. */
export class TimelyLink implements RedisWatcher {
  readonly #link: RedisLink;
  readonly #clock: AlarmClock;
  readonly #timeout: number;
  readonly #alarm: Alarm;
  /** In the order in which their time is over. */
  readonly #asked = new Set<Asked>();

  /** @param timeout milliseconds that an answer may take */
  constructor(link: RedisLink, clock: AlarmClock, timeout: number) {
    this.#link = link;
    this.#clock = clock;
    this.#timeout = timeout;
    // What came in while this thread was busy is read first: its own slowness isn't Redis's.
    this.#alarm = new Alarm(clock, () => setImmediate(() => this.#expire()));
    link.watch(this);
  }

  /** True: don't ask. */
  get isAway(): boolean {
    return this.#link.isAway;
  }

  /** How many answers are waited for. */
  get waiting(): number {
    return this.#asked.size;
  }

  /** Rejects with a `RedisRefusal`, or when there is no answer in time, at once when it is away. */
  ask(words: readonly RedisWord[]): Promise<unknown> {
    if (this.#link.isAway) return Promise.reject(new Error("Redis is away"));
    const asked = new Asked(this.#clock.now() + this.#timeout);
    this.#asked.add(asked);
    if (!this.#alarm.isSet) this.#alarm.set(asked.until);
    this.#link
      .ask(words)
      .then(asked.answer.resolve, asked.answer.reject)
      .finally(() => this.#asked.delete(asked));
    return asked.answer.promise;
  }

  /** As `ask`, where nobody waits: the answer may take as long as it does. Kept or rejected only when nothing of it is under way any more. */
  async tell(words: readonly RedisWord[]): Promise<unknown> {
    if (this.#link.isAway) throw new Error("Redis is away");
    return await this.#link.ask(words);
  }

  onAway(): void {
    for (const { answer } of this.#asked) answer.reject(new Error("Redis is away"));
    this.#asked.clear();
  }

  close(): void {
    this.#alarm.clear();
    this.#link.close();
  }

  #expire(): void {
    const [first] = this.#asked;
    if (first === undefined) return;
    if (first.until > this.#clock.now()) this.#alarm.set(first.until);
    else this.#link.giveUpOn(this.#timeout);
  }
}
