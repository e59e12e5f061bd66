import { Alarm, type AlarmClock } from "../../../base/alarms.ts";
import { describeThrown } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { RedisRefusal } from "../../../net/redis/redis-connection.ts";
import { RedisLink } from "../../../net/redis/redis-link.ts";
import type { TimelyLink } from "../../../net/redis/timely-link.ts";
import type { PurgeList } from "../../purges/purge-list.ts";
import { markWords, type PurgeMessage, parseChange, parseMessage, purgesName } from "./purge-messages.ts";

/** Milliseconds between two looks whether something was missed, as on a connection that is only thought to be there. */
const CHECKED_EVERY = 5000;

export interface PurgeReceiverMeans {
  readonly clock: AlarmClock;
  readonly random: Random;
  /** By which Redis is asked; whoever made it closes it. */
  readonly link: TimelyLink;
  readonly purges: PurgeList;
  /** As of `PurgeSender`: what it says is known here. */
  readonly machine: string;
  /** Another machine says that what is stored under a key has changed. */
  readonly onChange: (key: string) => void;
  /** Purges of other machines don't come any more, and why; told once. */
  readonly onAway: (reason: string) => void;
  readonly onBack: () => void;
  /** Redis answered, but with an error. Told each time. */
  readonly onError: (message: string) => void;
}

/**
 * Does what all machines purge, for all threads of this one. Each purge names the one before, so that it is seen when some are missing;
 * they are then looked up in the list of the last ones. If they aren't there any more either, everything that is older is revalidated.
 *
 *     subscribed ──▶ message that follows the last one ──▶ purged
 *         ▲              │ another one; connected again; every five seconds
 *         └──────────────┴──▶ list of the last ones ──▶ those that are missing are purged, or all is revalidated
 *
 * A list that is empty, or doesn't go as far as what is known here, has been lost: nobody can say what else was in it. Whoever sees that adds
 * a message that says so.
 */
export class PurgeReceiver {
  readonly #purges: PurgeList;
  readonly #name: string;
  readonly #clock: AlarmClock;
  readonly #means: PurgeReceiverMeans;
  readonly #feed: RedisLink;
  readonly #check: Alarm;
  #isCatchingUp = false;
  #isAskedAgain = false;
  #isClosed = false;

  /** @param prefix as of the store's keys */
  constructor(url: string, prefix: string, means: PurgeReceiverMeans) {
    const { clock, random, purges, onAway, onBack } = means;
    this.#name = purgesName(prefix);
    this.#purges = purges;
    this.#clock = clock;
    this.#means = means;
    const channel = { name: this.#name, onMessage: (message: string) => this.#hear(message) };
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
  }

  #hear(text: string): void {
    const message = parseMessage(text);
    if (message === null) this.#hearChange(text);
    else if (message.number <= this.#purges.remote) return;
    else if (message.before === this.#purges.remote && message.before !== 0) this.#take(message);
    else void this.catchUp();
  }

  #hearChange(text: string): void {
    const change = parseChange(text);
    if (change !== null && change.from !== this.#means.machine) this.#means.onChange(change.text);
  }

  #take({ purge, number }: PurgeMessage): void {
    if (purge === null) this.#purges.forget(number);
    else this.#purges.addRemote(purge, number);
  }

  async #look(): Promise<void> {
    const { remote } = this.#purges;
    const last = await this.#ask(["LRANGE", this.#name, "-1", "-1"]);
    if (last === null) return;
    const known = messagesIn(last)[0]?.number ?? 0;
    if (known === remote && known !== 0) return;
    // Redis makes sure of it once more: this one may have heard of others meanwhile.
    if (known < remote || known === 0) await this.#ask(markWords(this.#name, remote));
    for (const message of messagesIn(await this.#ask(["LRANGE", this.#name, "0", "-1"])))
      this.#catch(message);
  }

  #catch(message: PurgeMessage): void {
    const { number, before } = message;
    const { remote } = this.#purges;
    if (number <= remote) return;
    // The one before isn't the last one known: those between are lost. Who knows none doesn't know what there was either.
    if (before !== remote) this.#purges.forget(Math.max(before, remote));
    else if (remote === 0) this.#purges.forget(number - 1);
    this.#take(message);
  }

  /** The answer; null also when there is none. */
  async #ask(words: readonly string[]): Promise<unknown> {
    try {
      return await this.#means.link.ask(words);
    } catch (error) {
      if (error instanceof RedisRefusal) this.#means.onError(describeThrown(error));
      return null;
    }
  }
}

function messagesIn(reply: unknown): PurgeMessage[] {
  if (!Array.isArray(reply)) return [];
  return reply.map((one) => parseMessage(`${one}`)).filter((one) => one !== null);
}
