import { Alarm, type AlarmClock } from "../../../base/alarms.ts";
import { describeThrown } from "../../../base/errors.ts";
import { RedisRefusal } from "../../../net/redis/redis-connection.ts";
import type { TimelyLink } from "../../../net/redis/timely-link.ts";
import type { OtherMachines } from "../../other-machines.ts";
import { type Purge, PurgeKind } from "../../purges/purge.ts";
import type { PurgeList } from "../../purges/purge-list.ts";
import type { CacheKey } from "../../store.ts";
import { CHANGED, encodeChange, encodePurge, publishWords, purgesName } from "./purge-messages.ts";

/** Purges that wait until Redis is back. When there are more, all is revalidated in their place. */
const MOST_UNSENT = 1000;
/** Changes that are being told at once. */
const MOST_CHANGES = 1000;
/** Milliseconds until a Redis that refused is asked again. */
const REFUSED_PAUSE = 1000;

export interface PurgeSenderMeans {
  readonly link: TimelyLink;
  readonly purges: PurgeList;
  readonly clock: AlarmClock;
  /** This machine, by a name without spaces that no other one has. */
  readonly machine: string;
  /** What a key is called in Redis. */
  readonly nameOf: (text: string) => string;
  /** What this machine has under a key goes. */
  readonly forget: (key: CacheKey) => void;
  /** Redis refused to pass one on: for now this machine alone knows it. Told each time. */
  readonly onError: (message: string) => void;
}

/** Purges here at once, and on all machines as soon as Redis takes it. What it hasn't taken when this process ends is lost to the others. */
export class PurgeSender implements OtherMachines {
  readonly #means: PurgeSenderMeans;
  readonly #name: string;
  readonly #again: Alarm;
  /** As they are said, each once. */
  #unsent = new Set<string>();
  #changes = 0;
  #sending: Promise<boolean> | null = null;

  /** @param prefix as of the store's keys */
  constructor(prefix: string, means: PurgeSenderMeans) {
    this.#name = purgesName(prefix);
    this.#means = means;
    this.#again = new Alarm(means.clock, () => void this.send());
  }

  /** Kept when what can be passed on is: true when nothing is left. It never rejects. */
  purge(purge: Purge): Promise<boolean> {
    this.#means.purges.add(purge);
    this.#keep(encodePurge(purge));
    return this.send();
  }

  /** What can't be told now is purged: what Redis has would come back, and the others would never hear of it. */
  invalidate(key: CacheKey): void {
    this.#means.forget(key);
    const { text } = key;
    if (this.#means.link.isAway || this.#changes >= MOST_CHANGES) void this.purge(changed(text));
    else void this.#tell(text);
  }

  /** To be called when Redis is back: passes on what couldn't be before. */
  send(): Promise<boolean> {
    this.#again.clear();
    // With nothing to wait for it would be over before it is noted that it has begun.
    if (this.#unsent.size > 0) this.#sending ??= this.#sendAll();
    return this.#sending ?? Promise.resolve(true);
  }

  close(): void {
    this.#again.clear();
    this.#unsent.clear();
  }

  #keep(word: string): void {
    if (this.#unsent.size >= MOST_UNSENT) this.#unsent = new Set([encodePurge(null)]);
    else this.#unsent.add(word);
  }

  async #tell(text: string): Promise<void> {
    const { link, machine, nameOf } = this.#means;
    this.#changes++;
    try {
      const message = encodeChange({ from: machine, text });
      await link.ask(["EVAL", CHANGED, "1", nameOf(text), this.#name, message]);
    } catch (error) {
      if (error instanceof RedisRefusal) this.#means.onError(describeThrown(error));
      void this.purge(changed(text));
    } finally {
      this.#changes--;
    }
  }

  async #sendAll(): Promise<boolean> {
    for (let [word] = this.#unsent; word !== undefined; [word] = this.#unsent) {
      // The same may be purged again while this one is under way.
      this.#unsent.delete(word);
      if (await this.#sendOne(word)) continue;
      this.#keep(word);
      break;
    }
    this.#sending = null;
    return this.#unsent.size === 0;
  }

  /** @returns false: it has to wait */
  async #sendOne(word: string): Promise<boolean> {
    const { link, purges, clock, onError } = this.#means;
    try {
      await link.ask(publishWords(this.#name, word, purges.remote));
      return true;
    } catch (error) {
      if (error instanceof RedisRefusal) {
        onError(describeThrown(error));
        this.#again.set(clock.now() + REFUSED_PAUSE);
      }
      return false;
    }
  }
}

function changed(text: string): Purge {
  return { kind: PurgeKind.Key, text, isSoft: false };
}
