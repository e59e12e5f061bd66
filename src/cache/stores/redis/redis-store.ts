import { hash, randomFillSync } from "node:crypto";
import { describeThrown } from "../../../base/errors.ts";
import { RedisRefusal } from "../../../net/redis/redis-connection.ts";
import type { TimelyLink } from "../../../net/redis/timely-link.ts";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter, StoreStats, WriterOwner } from "../../store.ts";
import { RedisEntry } from "./redis-entry.ts";
import { encodeHead, headLength, ID_END, ID_START, type RedisValue, readValue } from "./redis-value.ts";
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
  /** Redis answered, but with an error. Told once, until something goes well again. */
  readonly onError: (message: string) => void;
}

/** Hexadecimal digits of a key: 128 bits. */
const DIGITS = 32;
/** Keys that are looked through at once when all are removed. */
const SCANNED = 500;

/** Puts another value in place, if it is still the one that is meant. */
const REPLACE = `
if redis.call("GETRANGE", KEYS[1], ${ID_START}, ${ID_END - 1}) ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[2], "PX", ARGV[3])
return 1`;

/**
 * Entries that several machines share. While Redis is away, is late or refuses, there is nothing in it and nothing is stored: no request fails or
 * waits for its sake. An entry can be found when all of it has come to Redis; by other threads a moment after `finish`.
 */
export class RedisStore implements CacheStore, ValueKeeper {
  readonly streams: boolean = false;
  readonly #settings: RedisStoreSettings;
  readonly #link: TimelyLink;
  readonly #metas: StoreMetas;
  readonly #onError: (message: string) => void;
  /** What is being asked for, by the name of its key: who wants the same gets the same answer. */
  readonly #asked = new Map<string, Promise<unknown>>();
  #underWay = 0;
  #hits = 0;
  #misses = 0;
  #refused = 0;
  #failures = 0;
  #hasRefused = false;

  constructor(settings: RedisStoreSettings, { link, metas, onError }: RedisStoreMeans) {
    this.#settings = settings;
    this.#link = link;
    this.#metas = metas;
    this.#onError = onError;
  }

  /** Of this thread. How many entries there are only Redis knows; bytes are those that are on their way there. */
  get stats(): StoreStats {
    return {
      ...{ entries: 0, bytes: this.#underWay, mostBytes: this.#settings.mostUnderWay },
      ...{ hits: this.#hits, misses: this.#misses, evictions: 0 },
      ...{ refused: this.#refused, failures: this.#failures },
    };
  }

  find(key: CacheKey): CacheEntry | null | Promise<CacheEntry | null> {
    const name = this.#nameOf(key.text);
    const known = this.#asked.get(name);
    if (known === undefined && (this.#link.isAway || this.#asked.size >= this.#settings.mostAsked)) {
      this.#misses++;
      return null;
    }
    // What is borrowed is copied while it is.
    return this.#wait(known ?? this.#get(name), { text: key.text, hash: Int32Array.from(key.hash) });
  }

  begin(key: CacheKey, meta: Buffer, length: number | null, owner: WriterOwner): EntryWriter | null {
    const { largest } = this.#settings;
    const bytes = reservedFor(headLength(key.text, meta), length);
    const isWanted = (length ?? 0) <= largest && this.#metas.usefulFor(meta) > 0;
    if (this.#link.isAway || !isWanted || !this.reserve(bytes)) {
      this.#refused++;
      return null;
    }
    const head = this.#headOf(key.text, meta, randomFillSync(Buffer.allocUnsafe(ID_END - ID_START)));
    const target = { name: this.#nameOf(key.text), meta: Buffer.from(meta) };
    return new RedisWriter(this, target, head, { largest, length }, owner);
  }

  async update(entry: CacheEntry, meta: Buffer): Promise<void> {
    if (!(entry instanceof RedisEntry)) return;
    const { key, id, body } = entry;
    const lifetime = this.#metas.usefulFor(meta);
    if (lifetime <= 0) return;
    const own = Buffer.from(meta);
    const value = Buffer.concat([this.#headOf(key.text, own, id), body]);
    const words = [REPLACE, "1", this.#nameOf(key.text), id, value, wholeText(lifetime)];
    if ((await this.#ask(["EVAL", ...words])) === 1) entry.meta = own;
  }

  async remove(key: CacheKey): Promise<boolean> {
    return (await this.#ask(["UNLINK", this.#nameOf(key.text)])) === 1;
  }

  /** What other machines have stored, too. What is stored meanwhile may stay. */
  async clear(): Promise<void> {
    const pattern = `${this.#settings.prefix.replace(/[\\*?[\]]/g, "\\$&")}e:*`;
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

  #get(name: string): Promise<unknown> {
    const asked = this.#ask(["GET", name]);
    this.#asked.set(name, asked);
    void asked.then(() => this.#asked.delete(name));
    return asked;
  }

  async #wait(asked: Promise<unknown>, key: CacheKey): Promise<CacheEntry | null> {
    const reply = await asked;
    const value = Buffer.isBuffer(reply) ? readValue(reply, key.text) : null;
    const entry = value === null ? null : this.#toEntry(key, value);
    if (entry === null) this.#misses++;
    else this.#hits++;
    return entry;
  }

  #toEntry(key: CacheKey, { id, number, meta, body }: RedisValue): RedisEntry | null {
    const here = this.#metas.here(meta, number);
    return here === null ? null : new RedisEntry(key, id, here, body);
  }

  #headOf(key: string, meta: Buffer, id: Buffer): Buffer {
    return encodeHead({ id, number: this.#metas.numberOf(meta), key, meta });
  }

  /** Counts as under way until Redis has it. */
  async #send({ name, meta }: ValueTarget, value: Buffer): Promise<void> {
    const lifetime = this.#metas.usefulFor(meta);
    if (lifetime <= 0) return;
    this.#underWay += value.length;
    const reply = await this.#ask(["SET", name, value, "PX", wholeText(lifetime)]);
    this.#underWay -= value.length;
    if (reply === null) this.#failures++;
  }

  /** The answer; null also when there is none. */
  async #ask(words: readonly (string | Buffer)[]): Promise<unknown> {
    try {
      const reply = await this.#link.ask(words);
      this.#hasRefused = false;
      return reply;
    } catch (error) {
      if (error instanceof RedisRefusal && !this.#hasRefused) {
        this.#hasRefused = true;
        this.#onError(describeThrown(error));
      }
      return null;
    }
  }

  /** Keys may be long, and may be secrets; Redis shows its keys to many. */
  #nameOf(text: string): string {
    return `${this.#settings.prefix}e:${hash("sha256", text, "hex").slice(0, DIGITS)}`;
  }
}

function wholeText(milliseconds: number): string {
  return `${Math.ceil(milliseconds)}`;
}
