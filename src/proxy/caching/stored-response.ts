import { MetaView } from "../../cache/meta-view.ts";
import { currentAge, wholeSeconds } from "../../cache/rules/age.ts";
import { timeToLive } from "../../cache/rules/cache-status.ts";
import { ResponseHead } from "../../http/heads.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";

/** What is stored for a request, as a program sees it. A copy: changes are in vain, and it can be kept. */
export class StoredResponse {
  /** Whether it may be served as it is: it is fresh enough for this client. */
  readonly isFresh: boolean;
  readonly #meta: MetaView;
  readonly #now: number;
  #headers: HttpHeaders | null = null;

  /** @internal @param meta copied @param now milliseconds since 1970 */
  constructor(meta: Buffer, isFresh: boolean, now: number) {
    this.#meta = new MetaView().of(Buffer.from(meta));
    this.isFresh = isFresh;
    this.#now = now;
  }

  get status(): number {
    return this.#meta.status;
  }

  get headers(): HttpHeaders {
    const { status } = this;
    this.#headers ??= ResponseHead.from({
      status,
      headers: this.#meta.lines().map(([name, value]): [string, string] => [name, value]),
    }).headers;
    return this.#headers;
  }

  /** Seconds since it was made. */
  get age(): number {
    return wholeSeconds(currentAge(this.#meta.bornAt, this.#now));
  }

  /** For how many more seconds it is fresh; negative when it has been stale for so long. */
  get ttl(): number {
    return timeToLive(this.#meta.bornAt, this.#meta.lifetime, this.#now);
  }

  /** When it came from the server, or the server last said that it holds: milliseconds since 1970. */
  get storedAt(): number {
    return this.#meta.responseTime;
  }

  /** Those by which it can be purged. */
  get tags(): readonly string[] {
    return this.#meta.tags.split(" ").filter((tag) => tag !== "");
  }

  /** The text of its key. */
  get key(): string {
    return this.#meta.key;
  }
}
