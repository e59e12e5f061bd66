import { describeThrown } from "../../../base/errors.ts";
import { RedisRefusal } from "../../../net/redis/redis-connection.ts";
import type { TimelyLink } from "../../../net/redis/timely-link.ts";
import type { Purge } from "../../purges/purge.ts";
import type { PurgeList } from "../../purges/purge-list.ts";
import { encodePurge, KEPT_PURGES, PUBLISH, PURGE_ALL, purgesName } from "./purge-messages.ts";

/** Purges that wait until Redis is back; more become one of all. */
const MOST_UNSENT = 1000;

export interface PurgeSenderMeans {
  readonly link: TimelyLink;
  readonly purges: PurgeList;
  /** Redis refused to pass one on: this machine alone knows it. */
  readonly onError: (message: string) => void;
}

/** Purges here at once, and on all machines as soon as Redis is there. What it hasn't passed on when this process ends is lost to the others. */
export class PurgeSender {
  readonly #means: PurgeSenderMeans;
  readonly #name: string;
  #unsent: Purge[] = [];
  #sending: Promise<boolean> | null = null;

  /** @param prefix as of the store's keys */
  constructor(prefix: string, means: PurgeSenderMeans) {
    this.#name = purgesName(prefix);
    this.#means = means;
  }

  /** Kept when what can be passed on is: true when nothing is left. It never rejects. */
  purge(purge: Purge): Promise<boolean> {
    this.#means.purges.add(purge);
    if (this.#unsent.length >= MOST_UNSENT) this.#unsent = [PURGE_ALL];
    else this.#unsent.push(purge);
    return this.send();
  }

  /** To be called when Redis is back: passes on what couldn't be before. */
  send(): Promise<boolean> {
    this.#sending ??= this.#sendAll();
    return this.#sending;
  }

  async #sendAll(): Promise<boolean> {
    while (this.#unsent.length > 0 && (await this.#sendFirst(this.#unsent)));
    this.#sending = null;
    return this.#unsent.length === 0;
  }

  /** @returns false: it has to wait */
  async #sendFirst(unsent: Purge[]): Promise<boolean> {
    const { link, onError } = this.#means;
    const numbers = [this.#name, `${KEPT_PURGES}`];
    try {
      await link.ask(["EVAL", PUBLISH, "1", this.#name, encodePurge(unsent[0]!), ...numbers]);
    } catch (error) {
      if (!(error instanceof RedisRefusal)) return false;
      onError(describeThrown(error));
    }
    unsent.shift();
    return true;
  }
}
