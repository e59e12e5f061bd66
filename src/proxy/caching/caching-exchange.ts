import { notPromised, ProxyError, toProxyError } from "../../base/errors.ts";
import { CacheCount } from "../../cache/cache-counts.ts";
import { type Fill, type FillOwner, FillState } from "../../cache/fills/fill.ts";
import type { FieldLine } from "../../cache/meta.ts";
import { MetaView } from "../../cache/meta-view.ts";
import { currentAge, wholeSeconds } from "../../cache/rules/age.ts";
import { type CacheStatus, Forward, timeToLive } from "../../cache/rules/cache-status.ts";
import { invalidatedBy, isSafe } from "../../cache/rules/invalidation.ts";
import { RequestField } from "../../cache/rules/request-fields.ts";
import { decideReuse, mayServeOnError, Reuse, withoutEntry } from "../../cache/rules/reuse.ts";
import { type CacheEntry, EntryState } from "../../cache/store.ts";
import type { ResponseHead } from "../../http/heads.ts";
import type { UpstreamStream } from "../../http/streams.ts";
import type { CacheHitVerdict } from "../phases.ts";
import { BodilessStream } from "./bodiless-stream.ts";
import { CacheFetch, type FetchOwner } from "./cache-fetch.ts";
import type { Lookup } from "./cache-lookup.ts";
import { CopyingExchange } from "./copying-exchange.ts";
import { countOf } from "./count-answer.ts";
import { hasOnlyBegun, isWhole } from "./entry-progress.ts";
import type { PassStream } from "./pass-stream.ts";
import { HIT, tellOfCache, tellOfHit, toAnswer } from "./stored-answer.ts";
import { StoredResponse } from "./stored-response.ts";
import { storedHead } from "./stored-source.ts";
import { StoredStream, WHOLE } from "./stored-stream.ts";

/** Of those that want less than all of a response. */
const PARTIAL = RequestField.Range | RequestField.IfNoneMatch | RequestField.IfModifiedSince;

const view = new MetaView();

/**
 * An exchange with a cache before its servers:
 *
 *     request ─▶ look-up ─┬─ fresh ───────────────────────────────▶ answered from the entry
 *                 ▲       ├─ stale, may be served ─▶ refresh … ───▶ answered from the entry
 *                 │       └─ nothing, or to be asked about ─▶ fetch, or wait for another one's
 *                 └───────────────────────────────────────────────────┘
 *
 * Whatever comes of it, the response is that of a server to this exchange: of the entry, or of what passes the cache.
 */
export class CachingExchange<C> extends CopyingExchange<C> implements FillOwner, FetchOwner {
  #fill: Fill | null = null;
  #fetch: CacheFetch<C> | null = null;
  /** What isn't fresh any more, while it is asked about, or what was found, while the program looks at it; held. */
  #stale: CacheEntry | null = null;
  #hasWaited = false;
  /** Of what this request has changed, where that takes a while; null: nothing is. */
  #removal: Promise<unknown> | null = null;
  /** Whether it goes to a server as if there were no cache, after it was looked for there. */
  #isPast = false;
  /** When the request looked for it first, by the cache's time. */
  #arrived = 0;

  protected override lookFor(lookup: Lookup): void {
    this.#arrived = lookup.now;
    this.#lookUp();
  }

  // ── looking for it ─────────────────────────────────────────────────────────────────────────────────────────────

  #lookUp(): void {
    const found = this.lookup!.find();
    if (!(found instanceof Promise)) this.#take(found);
    else void this.#takeLater(found);
  }

  /** What comes too late is let go of; a store that can't say is one that hasn't got it. */
  async #takeLater(found: Promise<CacheEntry | null>): Promise<void> {
    const { generation } = this;
    this.lookup!.keepKey();
    this.suspend();
    const entry = await found.catch(() => null);
    this.lookup!.refresh();
    if (generation === this.generation) this.#take(entry);
    else entry?.release();
  }

  #take(found: CacheEntry | null): void {
    const entry = found === null || isWhole(found) ? found : null;
    if (entry === null) found?.release();
    else if (!this.isHead && hasOnlyBegun(entry)) {
      this.#awaitFirst(entry);
      return;
    }
    this.#takeReady(entry);
  }

  /** As long as nothing of it has come it may come to nothing, and who has got nothing of it yet can still be answered otherwise. */
  #awaitFirst(entry: CacheEntry): void {
    const lookup = this.lookup!;
    lookup.keepKey();
    this.suspend();
    this.#stale = entry;
    entry.whenMore(0, () => {
      this.#stale = null;
      lookup.refresh();
      const hasFailed = entry.state === EntryState.Failed;
      if (hasFailed) entry.release();
      this.#takeReady(hasFailed ? null : entry);
    });
  }

  #takeReady(entry: CacheEntry | null): void {
    const lookup = this.lookup!;
    const { cacheHitFilter } = this.proxy.plan;
    if (entry === null || cacheHitFilter === null) {
      this.#use(entry, entry === null ? withoutEntry(lookup.asked) : this.#decide(entry));
      return;
    }
    this.#stale = entry;
    // It may change the request.
    lookup.keepKey();
    const isFresh = this.#decide(entry) === Reuse.Fresh;
    this.call(cacheHitFilter, this.#judge, new StoredResponse(entry.meta, isFresh, lookup.now));
  }

  /** What the program makes of what was found. */
  #judge(verdict: CacheHitVerdict): void {
    const entry = this.#stale!;
    this.#stale = null;
    const isAsked = this.#isForThis(entry);
    if (verdict === "pass" || this.isOff) {
      entry.release();
      this.#bypass("hit-filter");
    } else if (verdict === "miss" && !isAsked) {
      entry.release();
      this.lookup!.replaces = true;
      this.#use(null, withoutEntry(this.lookup!.asked));
    } else if (verdict === "expired" && !isAsked) this.#use(entry, this.#askedReuse);
    else this.#use(entry, this.#decide(entry));
  }

  #use(entry: CacheEntry | null, reuse: Reuse): void {
    if (reuse !== Reuse.Fresh) this.lookup!.keepKey();
    switch (reuse) {
      case Reuse.Fresh:
        this.#serve(entry!, entry!.meta, this.#hitStatus());
        return;
      case Reuse.StaleWhileRevalidate:
        this.#serveWhileRefreshed(entry!);
        return;
      case Reuse.OnlyIfCachedFails:
        entry?.release();
        this.outcome = CacheCount.failed;
        this.session.respond({
          status: 504,
          headers: { "Cache-Status": `${this.lookup!.rules.cache.name}; fwd=request` },
        });
        return;
      default:
        if (entry === null) this.#miss();
        else this.#seek(entry);
    }
  }

  #serveWhileRefreshed(entry: CacheEntry): void {
    const serves = this.#permits(entry, null);
    if (serves === false) this.#use(entry, this.#askedReuse);
    if (serves !== true) return;
    this.isUpdating = true;
    this.#refresh();
    this.#serve(entry, entry.meta, this.#hitStatus());
  }

  /** What becomes of something that isn't served before the server was asked. */
  get #askedReuse(): Reuse {
    const reuse = withoutEntry(this.lookup!.asked);
    return reuse === Reuse.Miss ? Reuse.Revalidate : reuse;
  }

  /** What isn't there for a HEAD isn't fetched for it either: the client wants less than that. */
  #miss(): void {
    const { cacheMiss } = this.proxy.plan;
    if (this.isHead) this.#goPast("method");
    else if (cacheMiss === null || this.forward !== null) this.#seek(null);
    else this.call(cacheMiss, this.#afterMiss, undefined);
  }

  /** By the word of the program. @param reason where it gave none */
  #bypass(reason: string): void {
    this.forward = Forward.Bypass;
    this.#goPast(this.cacheReason ?? reason);
  }

  #afterMiss(): void {
    if (this.isOff) this.#bypass(this.cacheReason!);
    else this.#seek(null);
  }

  /** Whether the program lets something stale be served; null: the session took another turn by that, and the entry is let go of. */
  #permits(entry: CacheEntry, problem: ProxyError | null): boolean | null {
    const { shouldServeStale } = this.proxy.plan;
    if (shouldServeStale === null) return true;
    const { generation } = this;
    let serves = false;
    try {
      serves = notPromised(shouldServeStale(this.session, problem), "shouldServeStale");
    } catch (thrown) {
      this.fail(toProxyError(thrown));
    }
    if (generation === this.generation) return serves;
    entry.release();
    return null;
  }

  /** What came while this one waited is for all who did, also where those who come later have to ask: or each would ask in turn. */
  #decide(entry: CacheEntry): Reuse {
    const { asked, now } = this.lookup!;
    if (asked === null && this.#isForThis(entry)) return Reuse.Fresh;
    return decideReuse(view.of(entry.meta), asked, now);
  }

  /** Whether it came from the server while this one waited for it. */
  #isForThis({ meta }: CacheEntry): boolean {
    return this.#hasWaited && view.of(meta).responseTime >= this.#arrived;
  }

  /** Whether it came by waiting for somebody else or was there. */
  #hitStatus(): CacheStatus {
    return this.#hasWaited ? { forward: this.forward, collapsed: true } : HIT;
  }

  // ── fetching it ────────────────────────────────────────────────────────────────────────────────────────────────

  #seek(stale: CacheEntry | null): void {
    const lookup = this.lookup!;
    this.#stale = stale;
    this.forward = forwardFor(lookup, stale);
    if (this.#fill === null || !isSame(this.#fill, lookup)) {
      this.#fill = lookup.rules.cache.fills.seek(lookup.key, this);
    } else if ((lookup.fields & RequestField.Authorization) !== 0) {
      // What came wasn't for others, and what comes to this one mostly isn't either: they aren't to wait in a row for that.
      this.#begin(this.#fill);
      return;
    } else this.#fill.again();
    this.onFill(this.#fill);
  }

  onFill(fill: Fill): void {
    switch (fill.state) {
      case FillState.Waiting:
        this.#hasWaited = true;
        this.suspend();
        return;
      case FillState.Found:
        this.#dropStale();
        this.lookup!.refresh();
        this.#lookUp();
        return;
      case FillState.Failed:
        this.#afterOthers();
        return;
      case FillState.Over:
        return;
      case FillState.Unstorable:
        // What the client wants less than all of, it isn't to wait for all of.
        if ((this.lookup!.fields & PARTIAL) === 0) this.#begin(fill);
        else this.#goPast("unstorable");
        return;
      default:
        this.#begin(fill);
    }
  }

  /** What others asked the server for failed, one after the other. */
  #afterOthers(): void {
    const { asked, now } = this.lookup!;
    const stale = this.#stale;
    this.#stale = null;
    const error = new ProxyError("UPSTREAM_CLOSED", "what another request waited for failed");
    const may = stale !== null && this.lookup!.isInUse(stale);
    const serves = may && mayServeOnError(view.of(stale.meta), asked, now) && this.#permits(stale, error);
    if (serves === null) return;
    if (serves) this.onStale(stale!, null);
    else {
      stale?.release();
      this.onFetchFailed(error);
    }
  }

  /** It was looked for, and the server's answer is this client's alone. */
  #goPast(reason: string): void {
    const lookup = this.lookup!;
    this.forward ??= forwardFor(lookup, this.#stale);
    lookup.rules.cache.counts?.add(CacheCount.passed);
    this.#dropStale();
    this.#fill = null;
    this.#isPast = true;
    this.goPast(reason);
  }

  #begin(fill: Fill): void {
    const stale = this.#stale;
    this.#stale = null;
    this.#fill = null;
    this.suspend();
    this.#fetch = new CacheFetch<C>(this, this.lookup!, fill, stale);
    this.#fetch.start(this.proxy, this.client, this.session);
  }

  /** Gets what is stale anew, with nobody waiting for it. */
  #refresh(): void {
    const lookup = this.lookup!;
    this.session.request.source.retain();
    const { fills, store } = lookup.rules.cache;
    const fill = fills.seekNow(lookup.key);
    if (fill === null) return;
    const begin = (stale: CacheEntry | null): void => {
      new CacheFetch<C>(null, lookup, fill, stale).start(this.proxy, this.client, this.session);
    };
    const found = store.find(lookup.key);
    if (found instanceof Promise) void found.then(begin, () => begin(null));
    else begin(found);
  }

  // ── what comes of it ───────────────────────────────────────────────────────────────────────────────────────────

  onStored(entry: CacheEntry, own: readonly FieldLine[], rest: PassStream): void {
    this.#noteServer();
    this.#serve(entry, entry.meta, { forward: this.forward, stored: true }, own, rest);
  }

  onFreshened(entry: CacheEntry, meta: Buffer, own: readonly FieldLine[], why: string | null): void {
    this.#noteServer();
    const kept = why === null ? { stored: true } : { detail: why };
    this.cacheReason = why;
    this.#serve(entry, meta, { forward: this.forward, forwardStatus: 304, ...kept }, own);
  }

  onStale(entry: CacheEntry, status: number | null): void {
    this.#noteServer();
    const forwardStatus = status === null ? {} : { forwardStatus: status };
    this.#serve(entry, entry.meta, { forward: this.forward, ...forwardStatus, detail: "stale-if-error" });
  }

  onPassed(head: ResponseHead, stream: UpstreamStream, why: string | null): void {
    const { rules, fields } = this.lookup!;
    const { cache } = rules;
    if (why !== null && head.status === 200 && (fields & RequestField.Range) !== 0) {
      this.#fetch = null;
      stream.abort();
      this.#goPast(why);
      return;
    }
    this.#noteServer();
    const stored = why === null ? { stored: true } : { detail: why };
    this.outcome = why === null ? CacheCount.stored : CacheCount.passed;
    this.cacheReason = why;
    cache.counts?.add(this.outcome);
    tellOfCache(head, null, this.lookup!.now, cache.name, { forward: this.forward, ...stored });
    if (!this.isHead) {
      this.#answer(stream, head);
      return;
    }
    // All of it was asked for, whatever the client did, since it might have been stored.
    this.#answer(new BodilessStream(), head.fork("none"));
    stream.abort();
  }

  /** The session was answered, or wasn't, by a server that was chosen for it. */
  #noteServer(): void {
    const fetch = this.#fetch;
    this.#fetch = null;
    if (fetch === null) return;
    const { session, upstreamReused, upstreamTls } = fetch.exchange;
    this.lookup!.refresh();
    this.session.peer = session.peer;
    this.session.tries = session.tries;
    this.session.upstreamTraffic = session.upstreamTraffic;
    this.upstreamReused = upstreamReused;
    this.upstreamTls = upstreamTls;
    if (this.proxy.isTimed) this.session.timings.connected = session.timings.connected;
  }

  onFetchFailed(error: ProxyError): void {
    this.#noteServer();
    this.outcome = CacheCount.failed;
    this.lookup!.rules.cache.counts?.add(CacheCount.failed);
    this.fail(error);
  }

  #serve(
    entry: CacheEntry,
    meta: Buffer,
    status: CacheStatus,
    own: readonly FieldLine[] = NO_FIELDS,
    rest: PassStream | null = null,
  ): void {
    const lookup = this.lookup!;
    const { request, fields, now } = lookup;
    const { name, counts } = lookup.rules.cache;
    view.of(meta);
    const { bornAt } = view;
    const length = entry.state === EntryState.Complete ? entry.length : view.bodyLength;
    const ttl = timeToLive(bornAt, view.lifetime, now);
    this.outcome = countOf(status, ttl);
    this.isCollapsed = status.collapsed === true;
    this.cacheAge = wholeSeconds(currentAge(bornAt, now));
    this.cacheSize = length;
    this.timeToLive = ttl;
    counts?.add(this.outcome);
    const answer = toAnswer(meta, length, { request, fields, now, random: this.proxy.random });
    const { parts } = answer;
    const isPlain = rest === null && parts === WHOLE && own.length === 0;
    const copy = isPlain ? this.readyCopy(entry, meta, answer.head) : null;
    const head = copy === null ? answer.head : storedHead(copy.meta, copy.length);
    for (const [field, value] of own) head.headers.append(field, value);
    if (status === HIT) tellOfHit(head, bornAt, ttl, now, name);
    else tellOfCache(head, meta, now, name, { ...status, ttl });
    if (copy !== null) {
      answer.head.source.settle();
      entry.release();
      // It is coded.
      this.session.coding = null;
      this.#answer(new StoredStream(copy, WHOLE), head);
      return;
    }
    const stream = new StoredStream(entry, parts, rest);
    if (rest === null && this.session.coding !== null && (parts === WHOLE || this.isHead)) {
      this.stored = stream;
      // The copy's is made of it, and phases may have the request changed before that.
      lookup.keepKey();
    }
    this.#answer(stream, head);
  }

  #answer(stream: UpstreamStream, head: ResponseHead): void {
    this.takeAnswer(stream, head);
    if (this.isDone) stream.abort();
    else stream.begin(this);
    head.source.settle();
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What a request that may change something was about, isn't served any more. */
  protected override onAnswer(head: ResponseHead): void {
    const { cacheRules, request, client } = this.session;
    if (this.#isPast) this.#tellOfPass(head);
    if (cacheRules !== null && !isSafe(request.method)) {
      const { key, cache } = cacheRules;
      for (const url of invalidatedBy(request, client.scheme, head)) {
        const known = key.ofUrl(url);
        const removal = known === null ? null : cache.invalidate(known);
        if (removal !== null) this.#removal = Promise.all([removal, this.#removal]);
      }
    }
    super.onAnswer(head);
  }

  /** Who is told that something has changed mustn't get what was before, also not after a restart. */
  protected override filterResponse(): void {
    const removal = this.#removal;
    this.#removal = null;
    if (removal === null) super.filterResponse();
    else this.call(() => removal, super.filterResponse, undefined);
  }

  #tellOfPass(head: ResponseHead): void {
    const { rules, now } = this.lookup!;
    tellOfCache(head, null, now, rules.cache.name, { forward: this.forward, detail: this.cacheReason! });
  }

  protected override dropUpstream(error: ProxyError | null): void {
    super.dropUpstream(error);
    this.#dropStale();
    this.#fill?.leave();
    this.#fill = null;
    this.#fetch?.leave();
    this.#fetch = null;
  }

  #dropStale(): void {
    this.#stale?.release();
    this.#stale = null;
  }
}

const NO_FIELDS: readonly FieldLine[] = [];

function forwardFor({ asked, vary }: Lookup, stale: CacheEntry | null): Forward {
  if (stale === null) return vary === "" ? Forward.UriMiss : Forward.VaryMiss;
  return asked === null ? Forward.Stale : Forward.Request;
}

function isSame(fill: Fill, { key }: Lookup): boolean {
  return fill.hash.every((word, i) => word === key.hash[i]);
}
