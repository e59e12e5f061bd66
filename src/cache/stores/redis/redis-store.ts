import { hash } from "node:crypto";
import type { AlarmClock } from "../../../base/alarms.ts";
import { describeThrown } from "../../../base/errors.ts";
import { RedisRefusal } from "../../../net/redis/redis-connection.ts";
import type { TimelyLink } from "../../../net/redis/timely-link.ts";
import { type CacheCounts, RedisCount } from "../../cache-counts.ts";
import type { Invalidations } from "../../invalidations.ts";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter, StoreStats, WriterOwner } from "../../store.ts";
import { RedisEntry } from "./redis-entry.ts";
import {
  encodeHead,
  headLength,
  REPLACE_HEAD,
  type RedisValue,
  readValue,
  VALUE_FORMAT,
} from "./redis-value.ts";
import { RedisWriter, reservedFor, type ValueKeeper, type ValueTarget } from "./redis-writer.ts";
import type { StoreMetas } from "./shared-metas.ts";

export interface RedisStoreSettings {
  /** What keys begin with. */
  readonly prefix: string;
  /** Bytes of the largest body. */
  readonly largest: number;
  /** Bytes that are gathered or sent at once, in one thread. */
  readonly mostUnderWay: number;
  /** Entries that are asked for at once, in one thread; those beyond are misses. */
  readonly mostAsked: number;
}

/** Larger ones than 1 MiB would hold up what is asked for behind them on the same connection. */
export const REDIS_STORE_DEFAULTS: Omit<RedisStoreSettings, "prefix"> = {
  largest: 1024 * 1024,
  mostUnderWay: 32 * 1024 * 1024,
  mostAsked: 256,
};

export interface RedisStoreMeans {
  /** Whose values are bytes. */
  readonly link: TimelyLink;
  readonly metas: StoreMetas;
  readonly clock: Pick<AlarmClock, "now">;
  /** Redis answered, but with an error. Told each time. */
  readonly onError: (message: string) => void;
  /** Default: nothing is counted */
  readonly counts?: CacheCounts | null;
  /** What is invalidated while it is on its way to Redis is taken out again. Default: nothing ever is */
  readonly invalidations?: Invalidations | null;
  /** Whether nothing will be there anyway, which needn't be asked. Default: there may be anything */
  readonly isPointless?: ((key: CacheKey) => boolean) | null;
}

/** Hexadecimal digits of a key: 128 bits. */
const DIGITS = 32;
/** Keys that are looked through at once when all are removed. */
const SCANNED = 500;

/** Milliseconds that a Redis which takes nothing, being full or a replica, is sent nothing. */
const REFUSED_PAUSE = 1000;

/**
 * Entries that several machines share. While Redis is away, is late or refuses, there is nothing in it and nothing is stored: no request fails or
 * waits for its sake. An entry can be found when all of it has come to Redis; by other threads a moment after `finish`.
 */
export class RedisStore implements CacheStore, ValueKeeper {
  readonly streams: boolean = false;
  readonly #settings: RedisStoreSettings;
  readonly #link: TimelyLink;
  readonly #metas: StoreMetas;
  readonly #clock: Pick<AlarmClock, "now">;
  readonly #onError: (message: string) => void;
  readonly #counts: CacheCounts | null;
  readonly #invalidations: Invalidations | null;
  readonly #isPointless: ((key: CacheKey) => boolean) | null;
  /** What is being asked for, by the name of its key: who wants the same gets the same answer. */
  readonly #asked = new Map<string, Asked>();
  #underWay = 0;
  #hits = 0;
  #misses = 0;
  #refused = 0;
  #failures = 0;
  /** By the clock: until then nothing is sent. */
  #refusedUntil = Number.NEGATIVE_INFINITY;

  constructor(settings: RedisStoreSettings, means: RedisStoreMeans) {
    this.#settings = settings;
    this.#link = means.link;
    this.#metas = means.metas;
    this.#clock = means.clock;
    this.#onError = means.onError;
    this.#counts = means.counts ?? null;
    this.#invalidations = means.invalidations ?? null;
    this.#isPointless = means.isPointless ?? null;
  }

  /** Whether nothing can be found or stored for now. */
  get isAway(): boolean {
    return this.#link.isAway;
  }

  /** Of this thread. How many entries there are only Redis knows; bytes are those that are on their way there. */
  get stats(): StoreStats {
    return {
      ...{ entries: 0, bytes: this.#underWay, mostBytes: this.#settings.mostUnderWay },
      ...{ hits: this.#hits, misses: this.#misses, evictions: 0 },
      ...{ refused: this.#refused, failures: this.#failures },
    };
  }

  find(key: CacheKey): null | Promise<RedisEntry | null> {
    if (this.#isPointless?.(key) === true) return this.#miss();
    if (this.#link.isAway) return this.#fail();
    const name = this.nameOf(key.text);
    const changes = this.#invalidations?.count(key) ?? 0;
    const known = this.#asked.get(name);
    // What was asked before it was invalidated may be answered with what it was.
    const isKnown = known !== undefined && known.changes === changes;
    if (!isKnown && this.#asked.size >= this.#settings.mostAsked) return this.#fail();
    const { reply } = isKnown ? known : this.#get(name, changes);
    // What is borrowed is copied while it is.
    return this.#wait(reply, { text: key.text, hash: Int32Array.from(key.hash) });
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const { largest } = this.#settings;
    const bytes = reservedFor(headLength(key.text, meta), length);
    const isWanted = (length ?? 0) <= largest && this.#metas.usefulFor(meta) > 0;
    if (!this.#isTaking || !isWanted || !this.reserve(bytes)) {
      this.#refused++;
      return null;
    }
    const target = {
      name: this.nameOf(key.text),
      meta: Buffer.from(meta),
      isValid: this.#stillValid(key),
    };
    return new RedisWriter(this, target, this.#headOf(key.text, meta), { largest, length }, owner);
  }

  /** Also of an entry that is held elsewhere: it is known by its meta. The body stays in Redis. */
  async update(entry: CacheEntry, meta: Buffer): Promise<void> {
    const { key } = entry;
    const lifetime = this.#metas.usefulFor(meta);
    if (!this.#isTaking || lifetime <= 0) return;
    const own = Buffer.from(meta);
    const id = entry instanceof RedisEntry ? entry.id : this.#metas.identityOf(entry.meta);
    const head = this.#headOf(key.text, own);
    const isValid = this.#stillValid(key);
    const name = this.nameOf(key.text);
    const words = [REPLACE_HEAD, "1", name, id, head, wholeText(lifetime)];
    if ((await this.#store(["EVAL", ...words])) !== 1) return;
    if (entry instanceof RedisEntry) entry.meta = own;
    if (!isValid()) await this.#ask(["UNLINK", name]);
  }

  async remove(key: CacheKey): Promise<boolean> {
    return (await this.#ask(["UNLINK", this.nameOf(key.text)])) === 1;
  }

  /** Keys may be long, and may be secrets; Redis shows its keys to many. */
  nameOf(text: string): string {
    return `${this.#entriesName}${hash("sha256", text, "hex").slice(0, DIGITS)}`;
  }

  /** What other machines have stored, too. What is stored meanwhile may stay. */
  async clear(): Promise<void> {
    const pattern = `${this.#entriesName.replace(/[\\*?[\]]/g, "\\$&")}*`;
    let cursor: Buffer | string = "0";
    do {
      const reply = await this.#ask(["SCAN", cursor, "MATCH", pattern, "COUNT", `${SCANNED}`]);
      if (!Array.isArray(reply)) return;
      const [next, keys] = reply as [Buffer, Buffer[]];
      if (keys.length > 0) await this.#ask(["UNLINK", ...keys]);
      cursor = next;
    } while (cursor.toString("latin1") !== "0");
  }

  close(): Promise<void> {
    this.#link.close();
    return Promise.resolve();
  }

  /** @internal */
  put(target: ValueTarget, value: Buffer): void {
    void this.#send(target, value);
  }

  /** @internal */
  reserve(bytes: number): boolean {
    if (bytes > 0 && this.#underWay + bytes > this.#settings.mostUnderWay) return false;
    this.#underWay += bytes;
    return true;
  }

  /** @internal */
  onFailure(): void {
    this.#failures++;
  }

  get #entriesName(): string {
    return `${this.#settings.prefix}e${VALUE_FORMAT}:`;
  }

  get #isTaking(): boolean {
    return !this.#link.isAway && this.#clock.now() >= this.#refusedUntil;
  }

  #miss(): null {
    this.#misses++;
    return null;
  }

  /** Nobody can say whether it is there. */
  #fail(): null {
    this.#counts?.add(RedisCount.errors);
    return this.#miss();
  }

  #get(name: string, changes: number): Asked {
    const reply = this.#ask(["GET", name]);
    const asked = { reply, changes };
    this.#asked.set(name, asked);
    void reply.then(() => {
      if (this.#asked.get(name) === asked) this.#asked.delete(name);
    });
    return asked;
  }

  async #wait(asked: Promise<unknown>, key: CacheKey): Promise<RedisEntry | null> {
    const reply = await asked;
    if (reply === undefined) return this.#fail();
    const value = Buffer.isBuffer(reply) ? readValue(reply, key.text) : null;
    const entry = value === null ? null : this.#toEntry(key, value);
    this.#counts?.add(entry === null ? RedisCount.missed : RedisCount.found);
    if (entry === null) return this.#miss();
    this.#hits++;
    return entry;
  }

  #toEntry(key: CacheKey, { id, number, meta, body }: RedisValue): RedisEntry | null {
    const here = this.#metas.here(meta, number, body.length);
    return here === null ? null : new RedisEntry(key, id, here, body);
  }

  #headOf(key: string, meta: Buffer): Buffer {
    const metas = this.#metas;
    return encodeHead({ id: metas.identityOf(meta), number: metas.numberOf(meta), key, meta });
  }

  /** Tells whether nobody has invalidated a key since. */
  #stillValid({ hash: words }: CacheKey): () => boolean {
    const invalidations = this.#invalidations;
    if (invalidations === null) return always;
    const key = { hash: Int32Array.from(words) };
    const before = invalidations.count(key);
    return () => invalidations.count(key) === before;
  }

  /** Counts as under way as long as the bytes may lie somewhere: a Redis that is slow makes no queue longer. */
  async #send({ name, meta, isValid }: ValueTarget, value: Buffer): Promise<void> {
    const lifetime = this.#metas.usefulFor(meta);
    if (lifetime <= 0) return;
    this.#underWay += value.length;
    const reply = await this.#store(["SET", name, value, "PX", wholeText(lifetime)]);
    this.#underWay -= value.length;
    if (reply === undefined) this.#failures++;
    // It may have come after what took it out.
    else if (!isValid()) await this.#ask(["UNLINK", name]);
  }

  /** The answer to what changes something, however long it takes; undefined when there is none. */
  async #store(words: readonly (string | Buffer)[]): Promise<unknown> {
    try {
      return await this.#link.tell(words);
    } catch (error) {
      if (!(error instanceof RedisRefusal)) return undefined;
      this.#refusedUntil = this.#clock.now() + REFUSED_PAUSE;
      this.#onError(describeThrown(error));
      return undefined;
    }
  }

  /** The answer; undefined when there is none. */
  async #ask(words: readonly (string | Buffer)[]): Promise<unknown> {
    try {
      return await this.#link.ask(words);
    } catch (error) {
      if (error instanceof RedisRefusal) this.#onError(describeThrown(error));
      return undefined;
    }
  }
}

/** A question under way. */
interface Asked {
  readonly reply: Promise<unknown>;
  /** How often its key had been invalidated. */
  readonly changes: number;
}

function always(): boolean {
  return true;
}

function wholeText(milliseconds: number): string {
  return `${Math.ceil(milliseconds)}`;
}
