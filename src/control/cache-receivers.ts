import type { PurgeReceiver } from "../cache/stores/redis/purge-receiver.ts";
import type { RedisShare } from "../cache/stores/redis/redis-share.ts";
import type { HttpCache } from "../proxy/caching/http-cache.ts";
import type { ThreadCaches } from "../worker/thread-caches.ts";

/** Hears, once for all threads, what other machines purge and change in caches that they share. */
export class CacheReceivers {
  #receivers: ReadonlyMap<RedisShare, PurgeReceiver> = new Map();

  /** These are the caches from now on; one whose Redis is as before goes on hearing. */
  replaceBy({ byName, stores }: ThreadCaches): void {
    const before = this.#receivers;
    const after = new Map<RedisShare, PurgeReceiver>();
    for (const [name, { redis }] of stores) {
      if (redis === null) continue;
      after.set(redis, before.get(redis) ?? receive(byName.get(name)!, redis));
    }
    this.#receivers = after;
    for (const [redis, receiver] of before) if (!after.has(redis)) receiver.close();
  }

  close(): void {
    for (const receiver of this.#receivers.values()) receiver.close();
    this.#receivers = new Map();
  }
}

function receive(cache: HttpCache, redis: RedisShare): PurgeReceiver {
  const { key: keys } = cache.rules();
  return redis.receive((text) => {
    const key = keys.ofText(text);
    // What is being fetched may be as old as what goes.
    cache.invalidations?.add(key);
    redis.store.forgetHere(key);
  });
}
