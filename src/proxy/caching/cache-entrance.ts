import { toProxyError } from "../../base/errors.ts";
import type { CacheCountCode } from "../../cache/cache-counts.ts";
import { CacheCount } from "../../cache/cache-counts.ts";
import { Forward } from "../../cache/rules/cache-status.ts";
import { resumesByDate } from "../../cache/rules/ranges.ts";
import { RequestField } from "../../cache/rules/request-fields.ts";
import { Exchange } from "../exchange.ts";
import type { MaybePromise } from "../phases.ts";
import { Lookup } from "./cache-lookup.ts";
import { CacheUse } from "./cache-use.ts";
import { type CacheNotes, type CachePhase, SessionCache } from "./session-cache.ts";

/** Requests that a server has to look at itself. */
const PAST_CACHE = RequestField.Override | RequestField.ForServer;

/**
 * What stands before a cache: whether one is asked, which, and under which key; and what is told of it.
 *
 *     requestCacheFilter ─▶ isPurge ─┬─ yes ─▶ purged and answered
 *                                    └─ no ──▶ a request for it? ─┬─ yes ─▶ cacheKey ─▶ cacheVaryFilter ─▶ looked for
 *                                                                 └─ no ──▶ past the cache
 */
export abstract class CacheEntrance<C> extends Exchange<C> implements CacheNotes {
  protected lookup: Lookup | null = null;
  /** Why it goes to a server, once that is known. */
  protected forward: Forward | null = null;
  /** What became of it, as it is counted; -1 before that is known, -2 where it went past the cache. */
  protected outcome: CacheCountCode | typeof UNKNOWN | typeof BYPASS = UNKNOWN;
  /** Whether what it was answered with, being stale, is fetched anew. */
  protected isUpdating = false;
  cacheReason: string | null = null;
  cacheAge = -1;
  cacheSize = -1;
  protected timeToLive = 0;
  isCollapsed = false;
  /** Whether the program has turned it off. */
  protected isOff = false;
  #cache: SessionCache | null = null;

  /** The request is to be answered from the cache, or from what is fetched for it. */
  protected abstract lookFor(lookup: Lookup): void;

  protected override afterRequestFilter(): void {
    const { requestCacheFilter } = this.proxy.plan;
    if (requestCacheFilter === null) this.#enter();
    else this.call(requestCacheFilter, this.#turnOn, undefined);
  }

  #turnOn(use: CacheUse | null | undefined): void {
    if (use instanceof CacheUse) this.session.cacheRules = use.rules;
    else if (use !== undefined && use !== null) {
      this.#refuse("requestCacheFilter returned no cache");
      return;
    }
    this.#enter();
  }

  /** Programs may be written without types. */
  #refuse(message: string): void {
    this.fail(toProxyError(new TypeError(message)));
  }

  #enter(): void {
    const { isPurge } = this.proxy.plan;
    if (isPurge === null) this.#choose();
    else this.call(isPurge, this.#afterIsPurge, undefined);
  }

  #afterIsPurge(isPurge: boolean): void {
    if (isPurge === true) this.#purge();
    else this.#choose();
  }

  /** Whether the request is one for a cache. */
  #choose(): void {
    const rules = this.session.cacheRules;
    if (rules === null || this.isOff) {
      this.goUpstream();
      return;
    }
    const { request, client } = this.session;
    const { method } = request;
    if (method !== "GET" && method !== "HEAD") this.goPast("method");
    else if (request.upgrade !== null) this.goPast("upgrade");
    else if (request.body !== "none" && request.body !== 0) this.goPast("request-body");
    else {
      const lookup = new Lookup(rules, request, client.scheme);
      const { plugins, coding } = this.session;
      const isMixed = coding !== null && resumesByDate(request, lookup.fields);
      if (plugins !== null || isMixed) lookup.takeWhole();
      const { fields } = lookup;
      if ((fields & PAST_CACHE) === 0) this.#askForKey(lookup);
      else this.goPast((fields & RequestField.Override) !== 0 ? "request-override" : "condition");
    }
  }

  #askForKey(lookup: Lookup): void {
    const { cacheKey, cacheVaryFilter } = this.proxy.plan;
    this.lookup = lookup;
    if (cacheKey === null && cacheVaryFilter === null) this.lookFor(lookup);
    else this.call(cacheKey, this.#takeKey, lookup.primary.text);
  }

  #takeKey(text: string | null | undefined): void {
    const lookup = this.lookup!;
    if (!isText(text)) {
      this.#refuse("cacheKey returned no text");
      return;
    }
    if (text !== undefined && text !== null) lookup.takeKey(text);
    this.call(this.proxy.plan.cacheVaryFilter, this.#takeVariance, null);
  }

  #takeVariance(text: string | null | undefined): void {
    const lookup = this.lookup!;
    if (!isText(text)) {
      this.#refuse("cacheVaryFilter returned no text");
      return;
    }
    lookup.own = text ?? null;
    lookup.refresh();
    if (this.isOff) this.goPast(this.cacheReason!);
    else this.lookFor(lookup);
  }

  /** As if there were no cache. @param reason that the session is told */
  protected goPast(reason: string): void {
    this.outcome = BYPASS;
    this.cacheReason = reason;
    this.goUpstream();
  }

  // ── purges ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #purge(): void {
    const { session } = this;
    const rules = session.cacheRules;
    if (rules === null || this.isOff) {
      this.#answerPurge(405);
      return;
    }
    this.outcome = BYPASS;
    this.cacheReason = "purge";
    const { text } = rules.key.of(session.request, session.client.scheme);
    this.call(this.proxy.plan.cacheKey, this.#purgeKey, text);
  }

  #purgeKey(text: string | null | undefined): void {
    const { cacheRules: rules, request, client } = this.session;
    const { cache, key } = rules!;
    if (!isText(text)) {
      this.#refuse("cacheKey returned no text");
      return;
    }
    const isByRules = text === undefined || text === null;
    const purged = isByRules ? key.of(request, client.scheme) : key.ofText(text);
    this.call(() => statusOf(cache.purgeKey(purged)), this.#answerPurge, undefined);
  }

  #answerPurge(status: number): void {
    const end = (): unknown => this.session.respond(purgeAnswer(status));
    this.call(this.proxy.plan.purgeResponseFilter, end, status);
  }

  // ── what is told of it ─────────────────────────────────────────────────────────────────────────────────────────

  override get cache(): SessionCache {
    this.#cache ??= new SessionCache(this);
    return this.#cache;
  }

  get cachePhase(): CachePhase {
    switch (this.outcome) {
      case CacheCount.hits:
      case CacheCount.collapsed:
        return "hit";
      case CacheCount.stale:
        return this.isUpdating ? "stale-updating" : "stale";
      case CacheCount.revalidated:
        return "revalidated";
      case CacheCount.stored:
      case CacheCount.passed:
        return this.forward === Forward.Stale || this.forward === Forward.Request ? "expired" : "miss";
      case CacheCount.failed:
        return "failed";
      case BYPASS:
        return "bypass";
      default:
        return this.#isAsked ? "lookup" : "off";
    }
  }

  /** Whether it may still have to do with a cache. */
  get #isAsked(): boolean {
    const { cacheRules, responded } = this.session;
    return cacheRules !== null && !this.isOff && !responded;
  }

  get cacheKeyText(): string | null {
    return this.lookup?.key.text ?? null;
  }

  get cacheTtl(): number | null {
    return this.cacheAge === -1 ? null : this.timeToLive;
  }

  get isStored(): boolean {
    const { outcome } = this;
    return outcome === CacheCount.stored || (outcome === CacheCount.revalidated && this.cacheReason === null);
  }

  disableCache(reason: string): void {
    // What is on its way is told in the phases of its own session whether it is to be stored.
    if (this.outcome !== UNKNOWN || this.forward !== null) return;
    this.isOff = true;
    this.cacheReason = reason;
  }
}

const UNKNOWN = -1;
const BYPASS = -2;

/** Whether a program has returned a text, or nothing. Of anything else, all that is alike would fall together under one key. */
export function isText(value: unknown): boolean {
  return typeof value === "string" || value === undefined || value === null;
}

function statusOf(removed: MaybePromise<boolean>): MaybePromise<number> {
  if (typeof removed === "boolean") return removed ? 200 : 404;
  return removed.then(
    (wasThere) => (wasThere ? 200 : 404),
    () => 500,
  );
}

function purgeAnswer(status: number): { status: number; headers?: Record<string, string> } {
  return status === 405 ? { status, headers: { Allow: "GET, HEAD" } } : { status };
}
