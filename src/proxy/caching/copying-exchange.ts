import type { ProxyError } from "../../base/errors.ts";
import type { FieldLine } from "../../cache/meta.ts";
import type { CacheEntry, CacheKey } from "../../cache/store.ts";
import type { BodyLength, ResponseHead } from "../../http/heads.ts";
import type { BodyCoding } from "../body-coder.ts";
import { filtersResponseBody } from "../body-filters.ts";
import { Hold } from "../flow.ts";
import { CacheEntrance } from "./cache-entrance.ts";
import { copyKeyText, hasHeadOf } from "./coded-copies.ts";
import { storedHead } from "./stored-source.ts";
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

  /**
   * The copy that this client gets just as it lies there, and the head that lies with it, since nobody looks at either on the way; held. Null: there is
   * none, or more has to be known first.
   * @param meta of the entry
   * @param head what is stored, as it is
   */
  protected readyCopy(entry: CacheEntry, meta: Buffer, head: ResponseHead): CacheEntry | null {
    const { coding, request, plugins } = this.session;
    const { behindCache } = this.proxy.plans;
    if (coding === null || plugins !== null || behindCache.responseFilter !== null) return null;
    if (filtersResponseBody(this.session, behindCache)) return null;
    const { cache, key: keys } = this.lookup!.rules;
    const way = cache.copies.isSlow ? null : coding.choose(request, head, head.body);
    if (way === null) return null;
    const found = cache.copies.find(entry, keys.ofText(copyKeyText(entry, way)));
    if (found === null) return null;
    if (!(found instanceof Promise) && hasHeadOf(found, meta)) return found;
    void letGo(found);
    return null;
  }

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
    else if (found !== null) this.#sendFound({ stored, key, head, length, way }, found);
    else this.#sendWithout({ stored, key, head, length, way });
  }

  /** Whether somebody makes another body of it on its way to this client. */
  get #changesBody(): boolean {
    if (this.openDecoder !== null || this.session.plugins !== null) return true;
    return filtersResponseBody(this.session, this.responsePlan);
  }

  #sendFound(wanted: Wanted, copy: CacheEntry): void {
    const { stored, head } = wanted;
    const { meta } = stored.entry;
    if (!hasHeadOf(copy, meta)) this.lookup!.rules.cache.copies.renew(copy, meta, this.#fieldsFor(wanted));
    this.#sendCopy(stored, head, copy);
  }

  /** What a coded response has in its head as long as no phase changes it; nothing where it wouldn't be coded so. */
  #fieldsFor({ stored, length, way }: Wanted): readonly FieldLine[] {
    const { coding, request } = this.session;
    const head = storedHead(stored.entry.meta, length);
    const isSame = coding!.encode(request, head, length)?.name === way.name;
    const fields: FieldLine[] = isSame ? [...head.headers] : [];
    head.source.settle();
    return fields;
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
    this.#hold(wanted.head);
    const copy = await found.catch(() => null);
    if (this.isDone) copy?.release();
    else if (copy === null) this.#sendWithout(wanted);
    else {
      this.#sendFound(wanted, copy);
      this.releaseResponse(Hold.Coding);
    }
  }

  /** There is none yet. What it takes to make one isn't done for a HEAD. */
  #sendWithout(wanted: Wanted): void {
    const { stored, key, head, way } = wanted;
    this.#hold(head);
    const { copies } = this.lookup!.rules.cache;
    const onCopy = (body: readonly Buffer[] | null): void => this.#takeCopy(wanted, body);
    const isAwaited =
      !this.isHead && copies.make(stored.entry, { key, way, fields: this.#fieldsFor(wanted) }, { onCopy });
    if (!isAwaited) this.#takeCopy(wanted, null);
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

async function letGo(found: CacheEntry | Promise<CacheEntry | null>): Promise<void> {
  if (!(found instanceof Promise)) found.release();
  else (await found.catch(() => null))?.release();
}
