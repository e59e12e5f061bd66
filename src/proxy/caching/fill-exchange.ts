import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { notPromised, ProxyError, toProxyError } from "../../base/errors.ts";
import { checkStoredAs, type StoredAs } from "../../cache/rules/verdict.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../../http/heads.ts";
import type { DownstreamStream, UpstreamStream } from "../../http/streams.ts";
import type { HttpPeer } from "../../upstream/peer.ts";
import { Exchange } from "../exchange.ts";
import type { HttpProxy } from "../http-proxy.ts";
import type { CacheVerdict } from "../phases.ts";
import type { Session } from "../session.ts";
import type { SessionPlugins } from "../session-plugins.ts";
import type { MeteredClient } from "../traffic/session-meter.ts";
import { isText } from "./cache-entrance.ts";
import { type CacheNotes, type CachePhase, SessionCache } from "./session-cache.ts";

/** What is fetched for a cache, for those who look at the response. */
export interface FillSubject {
  /** Of the key, as far as it is known. */
  readonly keyText: string;
  /** Whether something stands under it. */
  readonly isRefetch: boolean;
  /** What a program judges: of a 304 what comes of it. */
  toJudge(head: ResponseHead): ResponseHead;
}

/** Counts the fetches that no client waits for. */
export interface Watcher {
  unwatched: number;
  readonly clock: AlarmClock;
  /** Milliseconds after which one that no response has come of is given up. */
  readonly longestClaim: number;
}

/**
 * An exchange without a client: a cache gets by it what it hasn't, or hasn't any more. It begins where a request would go
 * upstream, goes through the phases from there to where a cache sees the response, and what comes of it goes to `downstream`.
 * It has a session of its own with the context of the one that it is for, so that phases choose as they would for that.
 */
export class FillExchange<C> extends Exchange<C> implements CacheNotes {
  /** What the program says of how the response is stored; null: nothing. */
  storedAs: StoredAs | null = null;
  /** By what it tells it apart; null: it doesn't. */
  variance: string | null = null;
  /** Why it doesn't want it stored; null: it has nothing against that. */
  cacheReason: string | null = null;
  readonly cacheAge = -1;
  readonly cacheSize = -1;
  readonly cacheTtl = null;
  readonly isStored = false;
  readonly isCollapsed = false;
  readonly #subject: FillSubject;
  /** What the response will go through when it is sent; null: nothing. */
  readonly #plugins: SessionPlugins | null;
  /** By whom it is counted as one that no client waits for; null: it isn't. */
  #watcher: Watcher | null = null;
  /** Rings when it has led nowhere without a client for too long. */
  #limit: Alarm | null = null;
  #cache: SessionCache | null = null;

  /** @param origin whose request it is that finds nothing in the cache; it may be over before this is */
  constructor(
    proxy: HttpProxy<C>,
    downstream: DownstreamStream & FillSubject,
    request: RequestHead,
    client: MeteredClient,
    origin: Session<C>,
  ) {
    super(proxy, downstream, request, client);
    this.#subject = downstream;
    this.#plugins = origin.plugins;
    this.responsePlan = proxy.plans.beforeCache;
    const { session } = this;
    session.context = origin.context;
    session.bodyFilters = origin.bodyFilters?.forFetch(session as Session<unknown>) ?? null;
    session.retryPolicy = origin.retryPolicy;
    session.retryGate = origin.retryGate;
    session.upstreamTraffic = origin.upstreamTraffic;
  }

  override start(): void {
    this.open();
    this.session.request.source.retain();
    this.proxy.fills.add(this);
    this.limit();
    this.goUpstream();
    // A request that a cache makes has no body.
    if (!this.isDone) this.onRequestEnd(null);
  }

  /** A server that would code it for the client makes it plain for those who can't read it then. */
  protected override sendHeadTo(server: UpstreamStream, head: RequestHead, peer: HttpPeer): BodyLength {
    return super.sendHeadTo(server, this.#plugins === null ? head : this.#plugins.toSend(head), peer);
  }

  /** Nobody is answered here: whoever wants the response decides what an error is to them. */
  override fail(error: ProxyError): void {
    if (this.isDone) return;
    this.generation++;
    this.dropUpstream(error);
    this.stopBodies();
    this.session.error ??= error;
    this.cut();
  }

  /** No client waits for it any more, and none ends it: a phase that comes to no end would hold its server, and be counted, for ever. */
  unwatch(watcher: Watcher): void {
    if (this.#watcher !== null || this.isDone) return;
    this.#watcher = watcher;
    watcher.unwatched++;
    if (this.isHeadSent) return;
    this.#limit = new Alarm(watcher.clock, () => {
      if (!this.isHeadSent) this.giveUp();
    });
    this.#limit.set(watcher.clock.now() + watcher.longestClaim);
  }

  /** What has come of the response is enough, or nobody wants the rest. */
  giveUp(): void {
    this.fail(new ProxyError("DOWNSTREAM_CLOSED", "the response isn't wanted any more"));
  }

  /** Counted and logged is the session that it was for, with what that sends. */
  protected override finish(): void {
    this.#limit?.clear();
    this.proxy.fills.delete(this);
    if (this.#watcher !== null) this.#watcher.unwatched--;
  }

  protected override noteMoved(): void {}

  /** Counted where it is sent. */
  override onInformational(head: ResponseHead): void {
    this.hasInformed = true;
    this.downstream.sendInformational(head);
  }

  // ── what the program says of the response ──────────────────────────────────────────────────────────────────────

  protected override filterResponse(): void {
    const { responseCacheFilter, cacheVaryFilter } = this.proxy.plan;
    if (responseCacheFilter === null && cacheVaryFilter === null) super.filterResponse();
    else {
      const head = this.#subject.toJudge(this.session.response!);
      this.call(responseCacheFilter, this.#takeVerdict, head);
    }
  }

  #takeVerdict(verdict: CacheVerdict): void {
    if (typeof verdict === "object" && verdict !== null) {
      try {
        checkStoredAs(verdict);
      } catch (thrown) {
        this.fail(toProxyError(thrown));
        return;
      }
      this.storedAs = verdict;
    } else if (verdict === false || typeof verdict === "string") this.cacheReason ??= verdict || "filter";
    this.call(this.proxy.plan.cacheVaryFilter, this.#takeVariance, this.session.response);
  }

  #takeVariance(text: string | null | undefined): void {
    if (!isText(text)) {
      this.fail(toProxyError(new TypeError("cacheVaryFilter returned no text")));
      return;
    }
    this.variance = text ?? null;
    super.filterResponse();
  }

  /** Whether it lets something stale be served. @throws what it throws */
  permitsStale(problem: ProxyError | number): boolean {
    const { shouldServeStale } = this.proxy.plan;
    if (shouldServeStale === null) return true;
    return notPromised(shouldServeStale(this.session, problem), "shouldServeStale");
  }

  override get cache(): SessionCache {
    this.#cache ??= new SessionCache(this);
    return this.#cache;
  }

  get cachePhase(): CachePhase {
    return this.#subject.isRefetch ? "expired" : "miss";
  }

  get cacheKeyText(): string {
    return this.#subject.keyText;
  }

  disableCache(reason: string): void {
    this.cacheReason ??= reason;
  }
}
