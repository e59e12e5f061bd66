import { MetaFlag } from "../../cache/meta.ts";
import { MetaView } from "../../cache/meta-view.ts";
import { isStillThere } from "../../cache/purges/judge.ts";
import type { CacheDirectives } from "../../cache/rules/directives.ts";
import { requestDirectives } from "../../cache/rules/request-directives.ts";
import { RequestField, requestFieldsOf } from "../../cache/rules/request-fields.ts";
import { variantText } from "../../cache/rules/vary.ts";
import type { CacheEntry, CacheKey } from "../../cache/store.ts";
import type { RequestHead } from "../../http/heads.ts";
import type { CacheRules } from "./http-cache.ts";

const view = new MetaView();

/** What one request looks for in a cache. */
export class Lookup {
  readonly rules: CacheRules;
  readonly request: RequestHead;
  /** Of the request, as `requestFieldsOf` found them. */
  fields: number;
  /** What the request says of it; null for nothing. */
  readonly asked: CacheDirectives | null;
  primary: CacheKey;
  /** Under which the response for this request lies, as far as is known. */
  key: CacheKey;
  /** The fields by which responses under the primary key are known to vary; "" for none. */
  vary = "";
  epoch = 0;
  /** When they were noted. */
  varySince = 0;
  /** By which the program tells responses under the primary key apart; null: it doesn't. */
  own: string | null = null;
  /** Whether something stands under the key that isn't to be served, and is found until another response has taken its place. */
  replaces = false;
  now: number;

  constructor(rules: CacheRules, request: RequestHead, scheme: "http" | "https") {
    this.rules = rules;
    this.request = request;
    this.fields = requestFieldsOf(request);
    this.asked = requestDirectives(request, this.fields, rules.policy);
    this.primary = rules.key.of(request, scheme);
    this.key = this.primary;
    this.now = rules.cache.now();
  }

  /** @param text of a key that isn't made by the rules */
  takeKey(text: string): void {
    this.primary = this.rules.key.ofText(text);
    this.key = this.primary;
  }

  /** The request may become another one from now on, or be there no more. */
  keepKey(): void {
    void this.primary.text;
  }

  /** Parts of what is stored are no parts of what the client gets: it gets all of it. */
  takeWhole(): void {
    this.fields &= ~RequestField.Range;
  }

  /** Time has passed since it began. */
  refresh(): void {
    this.now = this.rules.cache.now();
  }

  /** The entry for this request, held; null for none. Synchronous where the store is. */
  find(): CacheEntry | null | Promise<CacheEntry | null> {
    const found = this.rules.cache.store.find(this.primary);
    const entry =
      found instanceof Promise ? found.then((primary) => this.#follow(primary)) : this.#follow(found);
    return entry instanceof Promise ? this.#unlessChanged(entry) : entry;
  }

  /** How often the URL alone was invalidated, for what does that knows no fields and cookies. */
  get invalidations(): number {
    const { key, cache } = this.rules;
    if (cache.invalidations === null) return 0;
    const { text } = this.primary;
    const end = text.indexOf("\n");
    return cache.invalidations.count(end === -1 ? this.primary : key.ofText(text.slice(0, end)));
  }

  /** What a store has found may be older than what has taken it out while the store was asked. */
  async #unlessChanged(found: Promise<CacheEntry | null>): Promise<CacheEntry | null> {
    const before = this.invalidations;
    const entry = await found;
    if (entry === null || this.invalidations === before) return entry;
    entry.release();
    this.rules.cache.forget(this.key);
    return null;
  }

  #follow(entry: CacheEntry | null): CacheEntry | null | Promise<CacheEntry | null> {
    this.key = this.primary;
    this.vary = "";
    if (entry === null || (view.of(entry.meta).flags & MetaFlag.VaryList) === 0)
      return this.#unlessPurged(entry);
    this.vary = view.varyList;
    this.epoch = view.epoch;
    this.varySince = view.responseTime;
    entry.release();
    const { key, cache } = this.rules;
    this.key = key.ofText(variantText(this.primary.text, this.vary, this.epoch, this.request, this.own));
    const found = cache.store.find(this.key);
    return found instanceof Promise
      ? found.then((variant) => this.#unlessPurged(variant))
      : this.#unlessPurged(found);
  }

  /** Whether what was found may still be served, for all that was purged by now. */
  isInUse({ meta }: CacheEntry): boolean {
    const { purges } = this.rules.cache;
    return purges === null || isStillThere(purges, view.of(meta));
  }

  #unlessPurged(entry: CacheEntry | null): CacheEntry | null {
    if (entry === null || this.isInUse(entry)) return entry;
    entry.release();
    this.rules.cache.forget(this.key);
    return null;
  }
}
