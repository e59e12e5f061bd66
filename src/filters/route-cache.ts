import type { CachePolicy } from "../cache/rules/policy.ts";
import { IpRanges } from "../net/ip-ranges.ts";
import type { CacheRules, HttpCache } from "../proxy/caching/http-cache.ts";
import type { MaybePromise } from "../proxy/phases.ts";
import type { Session } from "../proxy/session.ts";
import type { ClientAddresses } from "./client-addresses.ts";
import type { RouteCacheSettings } from "./settings.ts";

/** How the requests of a route use its cache. @throws RangeError when there is none of its name */
export function compileCache(
  settings: RouteCacheSettings,
  caches: ReadonlyMap<string, HttpCache> | undefined,
): CacheRules {
  const cache = caches?.get(settings.use);
  if (cache === undefined) throw new RangeError(`There is no cache ${JSON.stringify(settings.use)}`);
  const { query, keyFields: fields, keyCookies: cookies } = settings;
  return cache.rules({ query, fields, cookies }, toPolicy(settings));
}

function toPolicy(settings: RouteCacheSettings): Partial<CachePolicy> {
  const { targetedFields, heuristic, staleWhileRevalidate, staleIfError } = settings;
  const { storesCookies, heedsRequests } = settings;
  return {
    ...{ targetedFields, heuristic, staleWhileRevalidate, staleIfError, storesCookies, heedsRequests },
    defaultLifetimes: new Map(settings.defaultLifetimes),
    longestLifetime: settings.longestLifetime ?? Number.POSITIVE_INFINITY,
  };
}

/**
 * Takes the URL of a PURGE out of the cache of its route, with all its variants, in all threads: 200 when it was there, 404 when it
 * wasn't. Whoever may not do that gets 403.
 */
export class PurgeMethod {
  readonly #allowed: IpRanges;
  readonly #clients: ClientAddresses;

  constructor(allowed: readonly string[], clients: ClientAddresses) {
    this.#allowed = new IpRanges(allowed);
    this.#clients = clients;
  }

  /** @returns null when it is another method */
  before(session: Session<unknown>, { key, cache }: CacheRules): MaybePromise<unknown> | null {
    if (session.request.method !== "PURGE") return null;
    if (!this.#allowed.has(this.#clients.addressOf(session))) {
      return session.respond({ status: 403 });
    }
    const purged = key.of(session.request, session.client.scheme);
    const removed = cache.purgeKey(purged);
    if (removed instanceof Promise) return removed.then((wasThere) => answer(session, wasThere));
    return answer(session, removed);
  }
}

function answer(session: Session<unknown>, wasThere: boolean): true {
  return session.respond({ status: wasThere ? 200 : 404 });
}
