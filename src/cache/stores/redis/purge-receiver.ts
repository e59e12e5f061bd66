import { Alarm, type AlarmClock } from "../../../base/alarms.ts";
import { describeThrown } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { RedisRefusal } from "../../../net/redis/redis-connection.ts";
import { RedisLink } from "../../../net/redis/redis-link.ts";
import { TimelyLink } from "../../../net/redis/timely-link.ts";
import type { PurgeList } from "../../purges/purge-list.ts";
import { type PurgeMessage, parseMessage, purgesName } from "./purge-messages.ts";

/** Milliseconds between two looks whether something was missed, as on a connection that is only thought to be there. */
const CHECKED_EVERY = 5000;
/** Milliseconds that an answer may take. */
const TIMEOUT = 2000;

export interface PurgeReceiverMeans {
  readonly clock: AlarmClock;
  readonly random: Random;
  readonly purges: PurgeList;
  /** Purges of other machines don't come any more, and why; told once. */
  readonly onAway: (reason: string) => void;
  readonly onBack: () => void;
  /** Redis answered, but with an error. Told once, until something goes well again. */
  readonly onError: (message: string) => void;
}

/**
 * Does what all machines purge, for all threads of this one. Each purge names the one before, so that it is seen when some are missing;
 * they are then looked up in the list of the last ones. If they aren't there any more either, everything that is older is revalidated.
 *
 *     subscribed ──▶ message that follows the last one ──▶ purged
 *         ▲              │ another one; connected again; every five seconds
 *         └──────────────┴──▶ list of the last ones ──▶ those that are missing are purged, or all is revalidated
 */
export class PurgeReceiver {
  readonly #purges: PurgeList;
  readonly #name: string;
  readonly #clock: AlarmClock;
  readonly #onError: (message: string) => void;
  readonly #feed: RedisLink;
  readonly #link: TimelyLink;
  readonly #check: Alarm;
  #isCatchingUp = false;
  #isAskedAgain = false;
  #hasRefused = false;
  #isClosed = false;

  /** @param prefix as of the store's keys */
  constructor(url: string, prefix: string, means: PurgeReceiverMeans) {
    const { clock, random, purges, onAway, onBack, onError } = means;
    this.#name = purgesName(prefix);
    this.#purges = purges;
    this.#clock = clock;
    this.#onError = onError;
    const channel = { name: this.#name, onMessage: (message: string) => this.#hear(message) };
    const silent = { onAway: () => undefined, onBack: () => undefined };
    this.#link = new TimelyLink(new RedisLink(url, { clock, random, ...silent }), clock, TIMEOUT);
    this.#feed = new RedisLink(url, {
      ...{ clock, random, onAway, channel },
      onBack: () => {
        onBack();
        void this.catchUp();
      },
    });
    this.#check = new Alarm(clock, () => void this.catchUp());
  }

  /** Kept when it is known what was purged before, or that nobody can be asked. */
  async begin(): Promise<void> {
    await this.#feed.begun;
    await this.catchUp();
  }

  /** Looks for what was missed. It never rejects. */
  async catchUp(): Promise<void> {
    this.#isAskedAgain = this.#isCatchingUp;
    if (this.#isCatchingUp || this.#isClosed) return;
    this.#isCatchingUp = true;
    do {
      this.#isAskedAgain = false;
      await this.#look();
    } while (this.#isAskedAgain);
    this.#isCatchingUp = false;
    if (!this.#isClosed) this.#check.set(this.#clock.now() + CHECKED_EVERY);
  }

  close(): void {
    this.#isClosed = true;
    this.#check.clear();
    this.#feed.close();
    this.#link.close();
  }

  #hear(text: string): void {
    const message = parseMessage(text);
    if (message === null || message.number <= this.#purges.remote) return;
    if (message.before === this.#purges.remote) this.#purges.addRemote(message.purge, message.number);
    else void this.catchUp();
  }

  async #look(): Promise<void> {
    const [last] = await this.#messages("-1");
    if (last === undefined || last.number <= this.#purges.remote) return;
    for (const { number, before, purge } of await this.#messages("0")) {
      if (number <= this.#purges.remote) continue;
      // The one before isn't the last one known: those between are lost.
      if (before !== this.#purges.remote) this.#purges.forget(Math.max(before, this.#purges.remote));
      this.#purges.addRemote(purge, number);
    }
  }

  /** The last ones, from a place on. */
  async #messages(from: string): Promise<PurgeMessage[]> {
    try {
      const reply = await this.#link.ask(["LRANGE", this.#name, from, "-1"]);
      this.#hasRefused = false;
      return Array.isArray(reply)
        ? reply.map((one) => parseMessage(`${one}`)).filter((one) => one !== null)
        : [];
    } catch (error) {
      if (error instanceof RedisRefusal && !this.#hasRefused) {
        this.#hasRefused = true;
        this.#onError(describeThrown(error));
      }
      return [];
    }
  }
}
