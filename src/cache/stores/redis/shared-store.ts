import type { AlarmClock } from "../../../base/alarms.ts";
import { letRun } from "../../../base/let-run.ts";
import { keptKey } from "../../kept-key.ts";
import { NOBODY } from "../../nobody.ts";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter, StoreStats, WriterOwner } from "../../store.ts";
import { RedisEntry } from "./redis-entry.ts";
import type { RedisStore } from "./redis-store.ts";
import { Standing, type StoreMetas } from "./shared-metas.ts";
import { SharedWriter } from "./shared-writer.ts";

/**
 * What a machine has itself before what all machines have together:
 *
 *     find ──▶ here ─┬─ good ─────────────────────────────────────▶ answered, and Redis isn't asked
 *                    └─ not, stale or purged ──▶ Redis ─┬─ newer ──▶ brought here, and answered
 *                                                       └─ else ───▶ what is here
 *
 * What is stored goes to both; all that can be served without Redis is. So a Redis that is away, slow or full costs what it would have had and no more.
 */
export class SharedStore implements CacheStore {
  readonly streams: boolean;
  readonly stats: StoreStats;
  readonly #near: CacheStore;
  readonly #far: RedisStore;
  readonly #metas: StoreMetas;
  readonly #clock: Pick<AlarmClock, "now">;
  /** When it was asked about what is stale, by the texts of keys. */
  readonly #lastAsked = new Map<string, number>();
  /** What is being written in this thread, by the texts of keys. */
  readonly #writing = new Map<string, SharedWriter>();

  /**
   * @param near of this machine; who made it closes it
   * @param metas the same as the far one's
   */
  constructor(near: CacheStore, far: RedisStore, metas: StoreMetas, clock: Pick<AlarmClock, "now">) {
    this.#metas = metas;
    this.#clock = clock;
    this.streams = near.streams;
    this.#near = near;
    this.#far = far;
    this.stats = new SharedStats(near, far);
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    const found = this.#near.find(key);
    if (!(found instanceof Promise)) return this.#judge(key, found);
    const kept = keptKey(key);
    return found.then((entry) => this.#judge(kept, entry));
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const kept = keptKey(key);
    const { text } = key;
    const writer = new SharedWriter(owner, {
      dropNear: () => letRun(this.#near.remove(kept)),
      dropFar: () => void this.#far.remove(kept),
      onEnd: (ended) => {
        if (this.#writing.get(text) === ended) this.#writing.delete(text);
      },
    });
    const near = this.#near.begin(key, meta, length, writer.nearOwner);
    const far = this.#far.begin(key, meta, length, writer.farOwner);
    if (!writer.begin(near, far)) return null;
    this.#writing.set(text, writer);
    return writer;
  }

  async update(entry: CacheEntry, meta: Buffer): Promise<void> {
    // First: the one here may be changed where it lies, and is let go of soon.
    const far = this.#far.update(entry, meta);
    if (!(entry instanceof RedisEntry)) await this.#near.update(entry, meta);
    await far;
  }

  async remove(key: CacheKey): Promise<boolean> {
    this.#writing.get(key.text)?.leaveFar();
    const far = this.#far.remove(key);
    const wasHere = await this.#near.remove(key);
    return (await far) || wasHere;
  }

  /** What this machine has itself goes. */
  forgetHere(key: CacheKey): void {
    this.#writing.get(key.text)?.leaveFar();
    letRun(this.#near.remove(key));
  }

  async clear(): Promise<void> {
    await Promise.all([this.#near.clear(), this.#far.clear()]);
  }

  /** The way to Redis; what is here goes on. */
  close(): Promise<void> {
    return this.#far.close();
  }

  #judge(key: CacheKey, found: CacheEntry | null): CacheEntry | null | Promise<CacheEntry | null> {
    if (found === null) return this.#findFar(key, null);
    switch (this.#metas.standingOf(found.meta)) {
      case Standing.Good:
        return found;
      case Standing.Stale:
        return this.#mayAsk(key.text) ? this.#findFar(key, found) : found;
      default:
        found.release();
        letRun(this.#near.remove(key));
        return this.#findFar(key, null);
    }
  }

  /** What nobody has asked the server about since isn't fetched from Redis by each request. */
  #mayAsk(text: string): boolean {
    const now = this.#clock.now();
    const last = this.#lastAsked.get(text);
    if (last !== undefined && now - last < ASKED_AGAIN) return false;
    if (this.#lastAsked.size >= MOST_ASKED) this.#lastAsked.clear();
    this.#lastAsked.set(text, now);
    return true;
  }

  /** @param found what is here */
  #findFar(key: CacheKey, found: CacheEntry | null): CacheEntry | null | Promise<CacheEntry | null> {
    const asked = this.#far.find(key);
    if (asked === null) return found;
    const kept = keptKey(key);
    return asked.then((entry) => (entry === null ? found : this.#bring(kept, entry, found)));
  }

  /** Something newer may have come here while Redis was asked. */
  async #bring(key: CacheKey, entry: RedisEntry, found: CacheEntry | null): Promise<CacheEntry | null> {
    const metas = this.#metas;
    const standing = metas.standingOf(entry.meta);
    if (standing === Standing.Gone) {
      void this.#far.remove(key);
      return found;
    }
    const known = this.#near.find(key);
    const here = known instanceof Promise ? await known : known;
    found?.release();
    if (here === null) return this.#copy(key, entry);
    // The same response may be worth more there: less is known of what was purged here, say.
    const isBetter = standing < metas.standingOf(here.meta) && !metas.isNewer(here.meta, entry.meta);
    if (!isBetter && !metas.isNewer(entry.meta, here.meta)) return here;
    here.release();
    return this.#copy(key, entry);
  }

  /** @returns an entry to read by: here, or, where there is no room, as it came */
  #copy(key: CacheKey, entry: RedisEntry): CacheEntry {
    const { meta, body } = entry;
    const writer = this.#near.begin(key, meta, body.length, NOBODY);
    const copy = writer?.open() ?? null;
    if (writer === null || copy === null) {
      writer?.abort();
      return entry;
    }
    if (body.length > 0) writer.write(body, 0, body.length);
    writer.finish();
    return copy;
  }
}

/** Milliseconds until Redis is asked again about what is stale here. */
const ASKED_AGAIN = 1000;
/** Keys for which that is noted. */
const MOST_ASKED = 1000;

/** What is here, and what was found in either. */
class SharedStats implements StoreStats {
  readonly #near: CacheStore;
  readonly #far: RedisStore;

  constructor(near: CacheStore, far: RedisStore) {
    this.#near = near;
    this.#far = far;
  }

  get entries(): number {
    return this.#near.stats.entries;
  }

  get bytes(): number {
    return this.#near.stats.bytes;
  }

  get mostBytes(): number {
    return this.#near.stats.mostBytes;
  }

  get hits(): number {
    return this.#near.stats.hits + this.#far.stats.hits;
  }

  get misses(): number {
    return this.#far.stats.misses;
  }

  get evictions(): number {
    return this.#near.stats.evictions;
  }

  get refused(): number {
    return this.#near.stats.refused;
  }

  get failures(): number {
    return this.#near.stats.failures;
  }
}
