/**
 * What became of a session in its cache:
 *
 * | | |
 * |---|---|
 * | `off` | there is none for it, or the program doesn't want it |
 * | `bypass` | it went past the cache |
 * | `lookup` | it isn't known yet |
 * | `hit` | answered from the cache, fresh |
 * | `stale` | answered with what is stale: the server failed, or the client said that it minds not |
 * | `stale-updating` | answered with what is stale, and it is fetched anew meanwhile |
 * | `revalidated` | answered from the cache after the server had said that it holds |
 * | `miss` | nothing was there |
 * | `expired` | what was there was stale, or the client wanted it from the server; the server answered with another response |
 * | `failed` | neither there nor to be fetched |
 */
export type CachePhase =
  | "off"
  | "bypass"
  | "lookup"
  | "hit"
  | "stale"
  | "stale-updating"
  | "revalidated"
  | "miss"
  | "expired"
  | "failed";

/** @internal what whoever runs a session knows of its cache. Numbers are -1 where there is none. */
export interface CacheNotes {
  readonly cachePhase: CachePhase;
  readonly cacheReason: string | null;
  readonly cacheKeyText: string | null;
  readonly cacheAge: number;
  readonly cacheSize: number;
  /** Null where there is no answer. */
  readonly cacheTtl: number | null;
  readonly isStored: boolean;
  readonly isCollapsed: boolean;
  disableCache(reason: string): void;
}

/** What a session has to do with a cache: `session.cache`. Made when somebody asks for it. */
export class SessionCache {
  readonly #notes: CacheNotes | null;

  /** @internal @param notes null where there is no cache */
  constructor(notes: CacheNotes | null) {
    this.#notes = notes;
  }

  /** Whether a cache has been asked for the session's response, or will be. */
  get enabled(): boolean {
    const { phase } = this;
    return phase !== "off" && phase !== "bypass";
  }

  get phase(): CachePhase {
    return this.#notes?.cachePhase ?? "off";
  }

  /**
   * Why the response isn't stored, or the cache wasn't asked: a word of ours, such as `private`, `set-cookie` or `method`, or the
   * program's own; null where it is stored or was, and where there is no cache.
   */
  get reason(): string | null {
    return this.#notes?.cacheReason ?? null;
  }

  /** The text of the key that the response lies under, that of a variant with what tells it apart; null before there is one. */
  get key(): string | null {
    return this.#notes?.cacheKeyText ?? null;
  }

  /** Of what it was answered with from the cache, in seconds; null where it wasn't. */
  get age(): number | null {
    return orNull(this.#notes?.cacheAge);
  }

  /** For how many more seconds that was fresh; negative when it was stale. Null where nothing is stored. */
  get ttl(): number | null {
    return this.#notes?.cacheTtl ?? null;
  }

  /** Bytes of the body that is stored; null where nobody knew yet, or it isn't. */
  get size(): number | null {
    return orNull(this.#notes?.cacheSize);
  }

  /** Whether the server's response was stored, or what is stored freshened by it. */
  get stored(): boolean {
    return this.#notes?.isStored === true;
  }

  /** Whether it waited for what another session fetched, and was answered with that. */
  get collapsed(): boolean {
    return this.#notes?.isCollapsed === true;
  }

  /**
   * Turns the cache off for the session: up to `cacheHitFilter` and `cacheMiss` the request goes past it; in later phases, up to
   * `responseCacheFilter`, the response isn't stored. After that it does nothing.
   * @param reason for `reason`, and, where the response isn't stored, for the `detail` of `Cache-Status`; best a token. Default `disabled`
   */
  disable(reason: string = "disabled"): void {
    this.#notes?.disableCache(`${reason}`);
  }
}

/** @internal of sessions that have to do with none */
export const NO_CACHE: SessionCache = new SessionCache(null);

function orNull(number: number | undefined): number | null {
  return number === undefined || number < 0 ? null : number;
}
