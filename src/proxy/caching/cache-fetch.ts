import { ProxyError, toProxyError } from "../../base/errors.ts";
import { randomEpoch } from "../../cache/epoch.ts";
import type { Fill } from "../../cache/fills/fill.ts";
import { normalHost } from "../../cache/key.ts";
import { encodeMeta, type FieldLine } from "../../cache/meta.ts";
import { MetaView } from "../../cache/meta-view.ts";
import { NOBODY } from "../../cache/nobody.ts";
import { freshen, isAbout, mergedHead } from "../../cache/rules/freshen.ts";
import { lifetimeOf } from "../../cache/rules/lifetime.ts";
import { isLasting, isOwn } from "../../cache/rules/reasons.ts";
import { RequestField } from "../../cache/rules/request-fields.ts";
import { type ResponseFacts, readResponse } from "../../cache/rules/response-facts.ts";
import { isServerError, mayServeOnError } from "../../cache/rules/reuse.ts";
import { whyNotStored } from "../../cache/rules/storability.ts";
import { fieldsForClient } from "../../cache/rules/stored-fields.ts";
import { toMeta } from "../../cache/rules/to-meta.ts";
import { askForAll, askWhetherItHolds } from "../../cache/rules/validation.ts";
import { OWN_VARIANCE, variantText, varyList } from "../../cache/rules/vary.ts";
import { joinedNames, varyNames } from "../../cache/rules/vary-names.ts";
import { factsBy } from "../../cache/rules/verdict.ts";
import type { CacheEntry, CacheKey, EntryWriter, WriterOwner } from "../../cache/store.ts";
import type { BodyLength, ResponseHead } from "../../http/heads.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import type { ByteStream, DownstreamStream, UpstreamStream } from "../../http/streams.ts";
import type { Exchange } from "../exchange.ts";
import type { HttpProxy } from "../http-proxy.ts";
import type { Session } from "../session.ts";
import type { MeteredClient } from "../traffic/session-meter.ts";
import type { Lookup } from "./cache-lookup.ts";
import { FillExchange, type FillSubject } from "./fill-exchange.ts";
import { type PassOwner, PassStream } from "./pass-stream.ts";

/** Who waits for what is fetched. Is told one of these, once; `own` is what the response has for them alone. */
export interface FetchOwner {
  /**
   * The response is stored from now on, and is read from `entry`, which is theirs.
   * @param rest what the store hasn't got when it fails, from there on; to be aborted when it isn't wanted
   */
  onStored(entry: CacheEntry, own: readonly FieldLine[], rest: PassStream): void;
  /** The response goes to them, and into the store as well where `why` is null. */
  onPassed(head: ResponseHead, stream: UpstreamStream, why: string | null): void;
  /** What was stale holds; `meta` is what is stored by now, or, where `why` isn't null, what it is for them alone. The entry is theirs. */
  onFreshened(entry: CacheEntry, meta: Buffer, own: readonly FieldLine[], why: string | null): void;
  /** The server can't do its work, but what is stale may stand in. The entry is theirs. */
  onStale(entry: CacheEntry, status: number | null): void;
  onFetchFailed(error: ProxyError): void;
  /** Besides, and any number of times before that: a 1xx of the server's. */
  onInformational(head: ResponseHead): void;
}

const view = new MetaView();

/**
 * Fetches what a cache hasn't, or hasn't any more, and stores it: to the exchange that gets the response it is the client.
 *
 *     exchange ──▶ head ─┬─ 304 ────────────▶ what is stored holds
 *                        ├─ can be stored ──▶ writer ─▶ store ─▶ all who want it
 *                        └─ can't ──────────▶ whoever asked, as it comes
 *
 * It goes on when whoever asked is gone, as long as somebody else may have use for what comes of it.
 */
export class CacheFetch<C> implements DownstreamStream, WriterOwner, PassOwner, FillSubject {
  readonly bytesReceived = 0;
  readonly requestComplete = true;
  bytesSent = 0;
  /** Why the server is held back. */
  #isHeld = false;
  #isFull = false;
  readonly #lookup: Lookup;
  readonly #fill: Fill;
  /** What is asked about; null: all of it is asked for. Held until it is somebody's. */
  #stale: CacheEntry | null;
  #owner: FetchOwner | null;
  #exchange: FillExchange<C> | null = null;
  #writer: EntryWriter | null = null;
  /** To whoever asked: past the store, or what comes when the store has failed. */
  #pass: PassStream | null = null;
  /** What came since the store has failed, for who reads what it has first; null: nobody is awaited. */
  #left: Buffer[] | null = null;
  #isEnded = false;
  #broken: ProxyError | null = null;
  /** Whether the server is asked about what is stale, and, once it has spoken of something else, whether it is to be asked anew. */
  #isQuestion = false;
  #asksAnew = false;
  #begin: (() => void) | null = null;
  #requestTime = 0;
  /** Of the purges, when the server was asked: what is purged since may be what it answers with. */
  #generation = 0;
  /** Of the invalidations of its URL, likewise. */
  #invalidations = 0;
  /** Under which it is stored; null: it isn't. */
  #key: CacheKey | null = null;
  /** Whether something stale stands under the key: until this is finished that is found, and not this. */
  #isReplacing = false;
  /** Whether what is stale holds, and gets another head. */
  #isFreshened = false;
  /** Whether those who wait know where the response is. */
  #isTold = false;

  constructor(owner: FetchOwner | null, lookup: Lookup, fill: Fill, stale: CacheEntry | null) {
    this.#owner = owner;
    this.#lookup = lookup;
    this.#fill = fill;
    this.#stale = stale;
    this.#isReplacing = lookup.replaces;
  }

  start(proxy: HttpProxy<C>, client: MeteredClient, origin: Session<C>): void {
    const request = origin.request.fork();
    const host = normalHost(request.host, client.scheme);
    if (host !== request.host) {
      // Some servers' answers show how it was spelt, and to the key all spellings are one.
      request.host = host;
      request.headers.set("Host", host);
    }
    if (this.#stale === null) askForAll(request);
    else {
      this.#isQuestion = askWhetherItHolds(request, view.of(this.#stale.meta));
      this.#begin = () => this.start(proxy, client, origin);
    }
    this.#requestTime = this.#now();
    this.#generation = this.#lookup.rules.cache.purges?.generation ?? 0;
    this.#invalidations = this.#lookup.invalidations;
    this.#exchange = new FillExchange<C>(proxy, this, request, client, origin);
    this.#exchange.start();
    if (this.#owner === null) this.#exchange.unwatch(this.#lookup.rules.cache.fills);
  }

  /** The server that answers, and how it was reached. */
  get exchange(): Exchange<C> {
    return this.#exchange!;
  }

  get keyText(): string {
    return this.#lookup.key.text;
  }

  get isRefetch(): boolean {
    return this.#stale !== null || this.#isReplacing;
  }

  toJudge(head: ResponseHead): ResponseHead {
    if (this.#stale === null || head.status !== 304) return head;
    const { policy } = this.#lookup.rules;
    const facts = readResponse(head, policy, this.#requestTime, this.#now());
    return mergedHead(view.of(this.#stale.meta), head, facts, policy);
  }

  /** Whoever asked is gone. What nothing has come of yet is given up where too much is under way so; if others wait, one of them asks. */
  leave(): void {
    this.#owner = null;
    const { fills } = this.#lookup.rules.cache;
    if (!fills.isCrowded) this.#exchange!.unwatch(fills);
    else {
      this.#settle("unwatched");
      this.#exchange!.giveUp();
    }
  }

  #now(): number {
    return this.#lookup.rules.cache.now();
  }

  #takeOwner(): FetchOwner | null {
    const owner = this.#owner;
    this.#owner = null;
    return owner;
  }

  // ── the response's head ────────────────────────────────────────────────────────────────────────────────────────

  sendInformational(head: ResponseHead): void {
    this.#owner?.onInformational(head);
  }

  sendHead(head: ResponseHead, length: BodyLength): void {
    const { policy } = this.#lookup.rules;
    const facts = readResponse(head, policy, this.#requestTime, this.#now());
    if (this.#stale !== null) {
      if (head.status === 304) {
        this.#takeNotModified(head, facts);
        return;
      }
      if (isServerError(head.status) && this.#servesStale(head.status)) return;
      if (this.#broken !== null) {
        this.#exchange!.fail(this.#broken);
        return;
      }
      this.#dropStale();
      this.#isReplacing = true;
    }
    const why = this.#store(head, length, facts);
    if (why === null) return;
    this.#settle(why);
    this.#passOn(head, why);
  }

  /** @returns null when it is being stored, and whoever asked knows */
  #store(head: ResponseHead, length: BodyLength, told: ResponseFacts): string | null {
    const { rules, request, fields, asked } = this.#lookup;
    const { storedAs, cacheReason } = this.#exchange!;
    if (cacheReason !== null) return cacheReason;
    const facts = storedAs === null ? told : factsBy(storedAs, told);
    const lifetime = lifetimeOf(facts, rules.policy);
    const fetched = { request, fields, asked, response: head, facts, lifetime };
    const why = whyNotStored(fetched, rules.policy);
    if (why !== null) return why;
    if (this.#isOutOfDate) return "invalidated";
    const key = this.#keyFor(facts);
    const bodyLength = length === "none" ? 0 : length === "unknown" ? -1 : length;
    const meta = toMeta(head, facts, lifetime, rules.policy, {
      key: key.text,
      generation: this.#generation,
      bodyLength,
      ...(storedAs?.tags === undefined ? {} : { tags: storedAs.tags }),
      epoch: randomEpoch(this.exchange.proxy.random),
    });
    if (meta === null) return "store";
    const { store } = rules.cache;
    this.#writer = store.begin(key, encodeMeta(meta), bodyLength < 0 ? null : bodyLength, this);
    if (this.#writer === null) return "store";
    this.#key = key;
    const entry = this.#writer.open();
    if (entry === null) this.#passOn(head, null);
    else {
      // What may turn out too large others wait for: they would be cut off. Who asked first gets the rest all the same.
      if (!this.#isReplacing && bodyLength >= 0) this.#tellFound();
      const owner = this.#takeOwner();
      if (owner === null) entry.release();
      else {
        this.#pass = new PassStream(this);
        owner.onStored(entry, fieldsForClient(head.headers, facts.directives, rules.policy), this.#pass);
      }
    }
    return null;
  }

  /** Somebody may have changed since what the server answers with. */
  get #isOutOfDate(): boolean {
    return this.#lookup.invalidations !== this.#invalidations;
  }

  /** What was purged or changed since the server was asked isn't served any more, whatever that says. */
  #isInUse(stale: CacheEntry): boolean {
    return !this.#isOutOfDate && this.#lookup.isInUse(stale);
  }

  /** Where the response is stored: behind a list of fields if it varies. */
  #keyFor({ vary }: ResponseFacts): CacheKey {
    const { rules, request, primary, now } = this.#lookup;
    const { variance } = this.#exchange!;
    const { vary: known, epoch: knownEpoch, varySince } = this.#lookup;
    const own = vary === null ? [] : (varyNames(vary) ?? []);
    const names = now - varySince < LIST_LIFE ? joinedNames(known, own) : own;
    if (variance !== null) names.push(OWN_VARIANCE);
    if (names.length === 0) return primary;
    const text = names.join(",");
    if (known === text)
      return rules.key.ofText(variantText(primary.text, text, knownEpoch, request, variance));
    const epoch = randomEpoch(this.exchange.proxy.random);
    const list = encodeMeta(varyList(names, epoch, primary.text, this.#generation, now));
    const writer = rules.cache.store.begin(primary, list, 0, NOBODY);
    writer?.finish();
    return rules.key.ofText(variantText(primary.text, text, epoch, request, variance));
  }

  /** Who looks before it is there would find what is stale once more. */
  #tellWhen(stored: void | Promise<void>): void {
    const tell = (): void => this.#tellFound();
    if (stored instanceof Promise) void stored.then(tell, tell);
    else tell();
  }

  #tellFound(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#fill.found();
  }

  #settle(why: string): void {
    if (this.#isTold) return;
    this.#isTold = true;
    if (isOwn(why)) {
      this.#fill.private();
      return;
    }
    // Who wants parts of what is too large had better ask for them than for all of it.
    const isPart = (this.#lookup.fields & RequestField.Range) !== 0;
    this.#fill.unstorable(
      isLasting(why) || why === this.#exchange!.cacheReason || (isPart && why === "store"),
    );
  }

  #passOn(head: ResponseHead, why: string | null): void {
    const owner = this.#takeOwner();
    if (owner === null) {
      if (this.#writer === null) this.#exchange!.giveUp();
      return;
    }
    this.#pass = new PassStream(this);
    owner.onPassed(head, this.#pass, why);
  }

  // ── what is stale ──────────────────────────────────────────────────────────────────────────────────────────────

  #takeNotModified(head: ResponseHead, facts: ResponseFacts): void {
    const stale = this.#stale!;
    const { rules } = this.#lookup;
    const entry = view.of(stale.meta);
    const isAnswer = this.#isQuestion && isAbout(facts, entry) && this.#isInUse(stale);
    const { fields, asked } = this.#lookup;
    const { storedAs, cacheReason } = this.#exchange!;
    const asker = { fields, asked, generation: this.#generation };
    const fresh = isAnswer ? freshen(entry, head, facts, rules.policy, asker, storedAs) : null;
    if (fresh === null) {
      // It speaks of something else than what is stored by now: all of that is asked for (RFC 9111 §4.3.4).
      this.#dropStale();
      rules.cache.forget(this.#lookup.key);
      this.#asksAnew = true;
      return;
    }
    const why = cacheReason ?? fresh.why;
    const meta = encodeMeta(fresh.meta);
    if (why === null) {
      this.#isFreshened = true;
      this.#tellWhen(rules.cache.store.update(stale, meta));
    } else {
      // Others ask the server for themselves; what isn't to be stored any more goes.
      if (why !== "authorization" && why !== "request-no-store") rules.cache.forget(this.#lookup.key);
      this.#settle(why);
    }
    this.#stale = null;
    const owner = this.#takeOwner();
    if (owner === null) stale.release();
    else owner.onFreshened(stale, meta, fieldsForClient(head.headers, facts.directives, rules.policy), why);
  }

  /** @param problem of the server: the status that it answered with, or what went wrong. What a program throws is what is broken */
  #servesStale(problem: ProxyError | number): boolean {
    const stale = this.#stale!;
    const { asked } = this.#lookup;
    if (!this.#isInUse(stale) || !mayServeOnError(view.of(stale.meta), asked, this.#now())) return false;
    try {
      if (!this.#exchange!.permitsStale(problem)) return false;
    } catch (thrown) {
      this.#dropStale();
      this.#broken = toProxyError(thrown);
      return false;
    }
    this.#stale = null;
    this.#fail();
    const status = typeof problem === "number" ? problem : null;
    const owner = this.#takeOwner();
    if (owner === null) stale.release();
    else owner.onStale(stale, status);
    if (status !== null) this.#exchange!.giveUp();
    return true;
  }

  #dropStale(): void {
    this.#stale?.release();
    this.#stale = null;
  }

  // ── the response's body ────────────────────────────────────────────────────────────────────────────────────────

  get blocked(): boolean {
    return this.#isHeld || this.#isFull || this.#left !== null;
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (this.#asksAnew) return;
    this.bytesSent += end - start;
    this.#pass?.sink?.onResponseBody(bytes, start, end);
    if (this.#writer?.write(bytes, start, end) === false) {
      this.#isFull = true;
      this.#exchange!.onDownstreamBlocked();
    }
    // Not an `else`: it may have failed just now.
    if (this.#left !== null) this.#left.push(Buffer.from(bytes.subarray(start, end)));
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (this.#asksAnew) {
      this.#asksAnew = false;
      this.#begin!();
      return;
    }
    this.#isEnded = true;
    const stored = this.#writer?.finish();
    if (this.#key !== null && this.#isOutOfDate) this.#lookup.rules.cache.forget(this.#key);
    if (!this.#isFreshened) this.#tellWhen(stored);
    this.#endPass(trailers);
  }

  #endPass(trailers: HttpHeaders | null): void {
    const sink = this.#pass?.sink ?? null;
    if (sink === null) return;
    this.#pass!.sink = null;
    if (this.#broken === null) sink.onResponseEnd(trailers);
    else sink.onUpstreamError(this.#broken);
  }

  onDrain(): void {
    this.#isFull = false;
    this.#flow();
  }

  #flow(): void {
    if (!this.blocked) this.#exchange!.onDownstreamDrained();
  }

  /**
   * The store has failed, but what it has can be read. The client that asked first does that, and then gets the rest past it, while
   * the server waits.
   */
  onFailure(): void {
    this.#writer = null;
    this.#isFull = false;
    this.#settle("store");
    const pass = this.#pass;
    if (pass === null || pass.isOver) this.#exchange!.giveUp();
    else if (pass.sink !== null) this.#flow();
    else {
      this.#left = [];
      this.#exchange!.onDownstreamBlocked();
    }
  }

  begun(): void {
    const pass = this.#pass!;
    const left = this.#left ?? [];
    this.#left = null;
    const missing = this.bytesSent - left.reduce((sum, { length }) => sum + length, 0);
    if (pass.from !== missing)
      this.#broken ??= new ProxyError("UPSTREAM_CLOSED", "the store lost some of it");
    else for (const piece of left) pass.sink?.onResponseBody(piece, 0, piece.length);
    if (this.#isEnded || this.#broken !== null) this.#endPass(null);
    else this.#flow();
  }

  pause(): void {
    this.#isHeld = true;
    this.#exchange!.onDownstreamBlocked();
  }

  resume(): void {
    this.#isHeld = false;
    this.#flow();
  }

  unwanted(): void {
    this.#left = null;
    if (this.#writer === null) this.#exchange!.giveUp();
    else {
      this.#exchange!.unwatch(this.#lookup.rules.cache.fills);
      this.resume();
    }
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  abort(): void {
    this.#end(this.#exchange!.session.error ?? new ProxyError("UPSTREAM_CLOSED"));
  }

  reset(): void {
    this.abort();
  }

  #end(error: ProxyError): void {
    if (this.#stale !== null && this.#servesStale(error)) return;
    this.#dropStale();
    this.#broken ??= error;
    this.#writer?.abort();
    this.#writer = null;
    this.#fail();
    if (this.#left === null) this.#endPass(null);
    this.#takeOwner()?.onFetchFailed(this.#broken);
  }

  #fail(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#fill.failed();
  }

  malform(): void {}

  pauseRequest(): void {}

  resumeRequest(): void {}

  toByteStream(): ByteStream {
    throw new Error("A cache is no byte stream");
  }
}

/** Milliseconds after which a server that varies by less than before is taken at its word. */
const LIST_LIFE = 3_600_000;
