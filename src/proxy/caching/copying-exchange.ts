import type { ProxyError } from "../../base/errors.ts";
import type { CacheEntry, CacheKey } from "../../cache/store.ts";
import type { BodyLength, ResponseHead } from "../../http/heads.ts";
import type { BodyCoding } from "../body-coder.ts";
import { filtersResponseBody } from "../body-filters.ts";
import { Hold } from "../flow.ts";
import { CacheEntrance } from "./cache-entrance.ts";
import { copyKeyText } from "./coded-copies.ts";
import { type StoredStream, WHOLE } from "./stored-stream.ts";

/** What a client gets coded of what is stored. */
interface Wanted {
  readonly stored: StoredStream;
  readonly key: CacheKey;
  readonly head: ResponseHead;
  readonly length: BodyLength;
  readonly way: BodyCoding;
}

/**
 * How the client of a cache gets the coded body of a stored response: what is stored is coded once for all.
 *
 *     head of a coded body ─▶ is there a copy? ─┬─ yes ──────────▶ sent in place of the body
 *                                               ├─ can be made ──▶ awaited, and sent
 *                                               └─ no ───────────▶ coded on its way
 *
 * It begins when all phases have seen the head, so that they may still change what decides.
 */
export abstract class CopyingExchange<C> extends CacheEntrance<C> {
  /** What the client gets all of, or the head; null: that is nothing that copies are made of. */
  protected stored: StoredStream | null = null;

  protected override sendCoded(head: ResponseHead, length: BodyLength, way: BodyCoding): void {
    const { stored } = this;
    this.stored = null;
    if (stored === null || this.#changesBody) {
      super.sendCoded(head, length, way);
      return;
    }
    const { entry } = stored;
    const { cache, key: keys } = this.lookup!.rules;
    const key = keys.ofText(copyKeyText(entry, way));
    const found = cache.copies.find(entry, key);
    if (found instanceof Promise) void this.#sendLater({ stored, key, head, length, way }, found);
    else if (found !== null) this.#sendCopy(stored, head, found);
    else this.#sendWithout({ stored, key, head, length, way });
  }

  /** Whether somebody makes another body of it on its way to this client. */
  get #changesBody(): boolean {
    if (this.openDecoder !== null || this.session.plugins !== null) return true;
    return filtersResponseBody(this.session, this.responsePlan);
  }

  #sendCopy(stored: StoredStream, head: ResponseHead, copy: CacheEntry): void {
    const { length } = copy;
    if (this.isHead) {
      copy.release();
      head.headers.set("Content-Length", String(length));
      this.downstream.sendHead(head, "none", this.keepAlive);
    } else {
      stored.turnTo(copy, WHOLE);
      this.downstream.sendHead(head, length, this.keepAlive);
    }
  }

  async #sendLater(wanted: Wanted, found: Promise<CacheEntry | null>): Promise<void> {
    const { stored, head } = wanted;
    this.#hold(head);
    const copy = await found.catch(() => null);
    if (this.isDone) copy?.release();
    else if (copy === null) this.#sendWithout(wanted);
    else {
      this.#sendCopy(stored, head, copy);
      this.releaseResponse(Hold.Coding);
    }
  }

  /** There is none yet. What it takes to make one isn't done for a HEAD. */
  #sendWithout(wanted: Wanted): void {
    const { stored, key, head, way } = wanted;
    this.#hold(head);
    const onCopy = (body: readonly Buffer[] | null): void => this.#takeCopy(wanted, body);
    const isMade = !this.isHead && this.lookup!.rules.cache.copies.make(stored.entry, key, way, { onCopy });
    if (!isMade) this.#takeCopy(wanted, null);
  }

  #takeCopy({ stored, head, length, way }: Wanted, body: readonly Buffer[] | null): void {
    if (this.isDone) return;
    if (body === null) super.sendCoded(head, length, way);
    else {
      const bytes = body.reduce((sum, piece) => sum + piece.length, 0);
      stored.turnTo(null, body);
      this.downstream.sendHead(head, bytes, this.keepAlive);
    }
    this.releaseResponse(Hold.Coding);
  }

  /** Nothing is sent until it is settled in which form. */
  #hold(head: ResponseHead): void {
    head.source.retain();
    this.holdResponse(Hold.Coding);
  }

  protected override dropUpstream(error: ProxyError | null): void {
    super.dropUpstream(error);
    this.stored = null;
  }
}
