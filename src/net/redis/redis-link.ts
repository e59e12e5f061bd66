import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { describeThrown } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { RedisConnection, RedisRefusal, type RedisWord } from "./redis-connection.ts";

/** Milliseconds before the first new attempt to connect, and at most. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 2000;
/** Milliseconds that an attempt to connect, and a Redis that owes answers, may take. */
const PATIENCE = 5000;
const SILENCE = 2000;

/** Hears of what becomes of Redis. */
export interface RedisWatcher {
  /** Nothing that is asked from now on is answered, and what is under way need not be waited for. */
  onAway(): void;
}

/** What is said to all who listen. */
interface RedisChannel {
  readonly name: string;
  onMessage(message: string): void;
}

export interface RedisLinkMeans {
  readonly clock: AlarmClock;
  readonly random: Random;
  /** Told once when Redis has gone away, and why. */
  readonly onAway: (reason: string) => void;
  /** Told once when it answers again. */
  readonly onBack: () => void;
  /** Whether values are answered as bytes, and not as text. Default: false */
  readonly asBytes?: boolean;
  /** What is listened to as long as Redis is there. A link that has a channel can't be asked anything. */
  readonly channel?: RedisChannel;
}

/**
 * The way to one Redis, from one thread. It connects by itself, again and again, with growing pauses, and knows at any time
 * whether asking makes sense:
 *
 *     ┌─────────┐  connected   ┌───────┐  no answer in time   ┌──────┐
 *     │ opening ├─────────────▶│ there │◀────────────────────▶│ late │
 *     └───┬─▲───┘  and asked   └───┬───┘   an answer          └──┬───┘
 *         ▼ │                      │ lost                        │ lost, or silent for too long
 *     ┌─────┴─┐                    │                             │
 *     │ pause │◀───────────────────┴─────────────────────────────┘
 *     └───────┘
 *
 * It is away in all states but `there`, and at the very beginning, when whoever asks waits for the first attempt.
 */
export class RedisLink {
  readonly #url: string;
  readonly #means: RedisLinkMeans;
  readonly #watchers = new Set<RedisWatcher>();
  readonly #pause: Alarm;
  /** Set while something has to come before too long. */
  readonly #patience: Alarm;
  #isAway = false;
  #isClosed = false;
  #failures = 0;
  /** Also while it is being opened. */
  #connection: RedisConnection | null = null;
  #isOpen = false;
  readonly #begun = Promise.withResolvers<void>();
  /** The connection that counts: what others report is history. */
  #attempt = 0;
  #absences = 0;

  constructor(url: string, means: RedisLinkMeans) {
    this.#url = url;
    this.#means = means;
    this.#pause = new Alarm(means.clock, () => void this.#open());
    this.#patience = new Alarm(means.clock, () => this.#lose(this.#attempt, new Error("it doesn't answer")));
    void this.#open();
  }

  /** True: don't ask. */
  get isAway(): boolean {
    return this.#isAway;
  }

  /** Kept when the first attempt to connect is over, whatever came of it. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }

  watch(watcher: RedisWatcher): void {
    this.#watchers.add(watcher);
  }

  /** Rejects with a `RedisRefusal`, or when the connection is lost. */
  async ask(words: readonly RedisWord[]): Promise<unknown> {
    const absences = this.#absences;
    if (!this.#isOpen) await this.#begun.promise;
    // Nobody waits for an answer any more.
    if (absences !== this.#absences || !this.#isOpen) throw new Error("Redis is away");
    const attempt = this.#attempt;
    try {
      const reply = await this.#connection!.send(words);
      this.#hear(attempt);
      return reply;
    } catch (error) {
      if (error instanceof RedisRefusal) this.#hear(attempt);
      throw error;
    }
  }

  /** An answer has been waited for too long. */
  giveUpOn(milliseconds: number): void {
    if (this.#isOpen) this.#patience.set(this.#means.clock.now() + SILENCE);
    this.#goAway(`no answer within ${milliseconds} ms`);
  }

  close(): void {
    this.#isClosed = true;
    this.#lose(this.#attempt, new Error("closed"));
  }

  async #open(): Promise<void> {
    const attempt = ++this.#attempt;
    const { clock, channel, asBytes = false } = this.#means;
    this.#patience.set(clock.now() + PATIENCE);
    try {
      const onLost = (error: Error): void => this.#lose(attempt, error);
      const connection = await RedisConnection.create(this.#url, onLost, { asBytes });
      if (attempt !== this.#attempt) return;
      this.#connection = connection;
      await connection.open();
      if (channel !== undefined)
        await connection.subscribe(channel.name, (message) => channel.onMessage(message));
    } catch (error) {
      this.#lose(attempt, error);
      return;
    }
    if (attempt === this.#attempt) this.#arrive();
  }

  #arrive(): void {
    this.#isOpen = true;
    this.#failures = 0;
    this.#comeBack();
    this.#begun.resolve();
  }

  #lose(attempt: number, error: unknown): void {
    if (attempt !== this.#attempt) return;
    this.#attempt++;
    this.#patience.clear();
    this.#pause.clear();
    this.#connection?.close();
    this.#connection = null;
    this.#isOpen = false;
    this.#goAway(reasonOf(error));
    this.#begun.resolve();
    if (!this.#isClosed) this.#pause.set(this.#means.clock.now() + this.#nextPause());
  }

  /** Many processes that lost the same Redis don't all come back at once. */
  #nextPause(): number {
    const pause = Math.min(FIRST_PAUSE * 2 ** this.#failures++, LONGEST_PAUSE);
    return pause * (0.5 + this.#means.random.next() / 2);
  }

  #hear(attempt: number): void {
    if (attempt === this.#attempt && this.#isAway) this.#comeBack();
  }

  #comeBack(): void {
    this.#patience.clear();
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#means.onBack();
  }

  #goAway(reason: string): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#absences++;
    if (!this.#isClosed) this.#means.onAway(reason);
    for (const watcher of this.#watchers) watcher.onAway();
  }
}

/** A name with several addresses fails with an error for each, and no words of its own. */
function reasonOf(error: unknown): string {
  const isList = error instanceof AggregateError && error.message === "";
  return isList ? error.errors.map(describeThrown).join(", ") : describeThrown(error);
}
