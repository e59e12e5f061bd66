import { checkNumbers } from "../../base/check-numbers.ts";
import type { KeyRules } from "../../cache/key.ts";
import { PurgeKind, type PurgeKindCode } from "../../cache/purges/purge.ts";
import type { CachePolicy } from "../../cache/rules/policy.ts";
import { type QueryRule, WHOLE_QUERY } from "../../cache/rules/query-rule.ts";
import type { CacheRules, HttpCache } from "./http-cache.ts";

/** By which rules requests use a cache. */
export interface CacheUseOptions extends Partial<CachePolicy> {
  /** Which parameters of the query are in the key. Default: all, as they came */
  readonly query?: Partial<QueryRule>;
  /** Request fields whose values are in the key. Default: none */
  readonly fields?: readonly string[];
  /** Cookies whose values are in the key. Default: none */
  readonly cookies?: readonly string[];
}

/** What is to be taken from use: a URL, all that begin with one, what has a tag, or everything. */
export type PurgeOrder = (
  | { readonly url: string }
  | { readonly prefix: string }
  | { readonly tag: string }
  | { readonly all: true }
) & {
  /** What it hits is stale from now on, in place of removed: it may still be served where stale responses may. Default: no */
  readonly soft?: boolean;
};

/** A cache with the rules by which some of its requests use it: what `requestCacheFilter` returns. To be made once, not for each request. */
export class CacheUse {
  /** @internal */
  readonly rules: CacheRules;

  /** @internal */
  constructor(cache: HttpCache, { query, fields, cookies, ...policy }: CacheUseOptions) {
    const { staleWhileRevalidate, staleIfError, longestLifetime } = policy;
    checkNumbers({ staleWhileRevalidate, staleIfError, longestLifetime });
    const key: Partial<KeyRules> = {
      query: { ...WHOLE_QUERY, ...query },
      fields: fields ?? [],
      cookies: cookies ?? [],
    };
    this.rules = cache.rules(key, policy);
  }

  /**
   * Takes from use what was fetched before, in all threads that share the cache, whichever rules it was stored by; none answers with it
   * any more when the promise is kept. URLs are made into keys by these rules.
   * @returns whether something was there; null where nobody knows without looking at all there is. Of a URL whose key has fields or
   *   cookies besides it only tells whether it was there without them
   * Rejects with TypeError for what is no URL like `https://example.com/path`, or no tag; and with what the store does.
   */
  async purge(order: PurgeOrder): Promise<boolean | null> {
    const { cache, key } = this.rules;
    const isSoft = order.soft === true;
    if ("url" in order) return await this.#purgeUrl(order.url, isSoft);
    const [kind, text] = toPurge(order, (url) => key.ofUrl(url)?.text ?? noUrl(url));
    const told = cache.purge({ kind, text, isSoft });
    // Nothing of it is found any more; this gives its room back at once.
    const cleared = kind === PurgeKind.All && !isSoft ? cache.store.clear() : null;
    await Promise.all([told, cleared]);
    return null;
  }

  async #purgeUrl(url: string, isSoft: boolean): Promise<boolean> {
    const { cache, key } = this.rules;
    const purged = key.ofUrl(url) ?? noUrl(url);
    if (!isSoft) return await cache.purgeKey(purged);
    const found = await cache.store.find(purged);
    found?.release();
    await cache.purge({ kind: PurgeKind.Key, text: purged.text, isSoft });
    return found !== null;
  }
}

function toPurge(
  order: Exclude<PurgeOrder, { readonly url: string }>,
  keyOf: (url: string) => string,
): [kind: PurgeKindCode, text: string] {
  if ("prefix" in order) return [PurgeKind.Prefix, keyOf(order.prefix)];
  if ("tag" in order) {
    const { tag } = order;
    if (typeof tag === "string" && /^[\x21-\x7e]+$/.test(tag)) return [PurgeKind.Tag, tag];
    throw new TypeError(`${JSON.stringify(tag)} is no tag`);
  }
  // Programs may be written without types, and a `false` is no wish to lose everything.
  if (order.all === true) return [PurgeKind.All, ""];
  throw new TypeError("A purge is of a url, a prefix, a tag, or all");
}

function noUrl(url: string): never {
  throw new TypeError(`${JSON.stringify(url)} is no URL like https://example.com/path`);
}
