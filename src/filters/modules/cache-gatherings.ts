import type { CacheHitVerdict, CacheVerdict } from "../../proxy/phases.ts";
import type { Gathering } from "./phase-hooks.ts";

/** Each makes a key of the one before. */
const keys: Gathering<string | undefined> = {
  passesOn: true,
  isDecided: () => false,
  join: (key, said) => said ?? key,
};

/** Whoever wants something else than to serve what was found decides. */
const hits: Gathering<CacheHitVerdict> = {
  passesOn: false,
  isDecided: (verdict) => (verdict ?? undefined) !== undefined,
  join: (_verdict, said) => said,
};

const misses: Gathering<void> = { passesOn: false, isDecided: () => false, join: () => undefined };

/** Who is against storing it decides; what the others say is true of it together, of two words for one thing the one nearest the client. */
const verdicts: Gathering<CacheVerdict> = {
  passesOn: false,
  isDecided: (verdict) => verdict === false || typeof verdict === "string",
  join(verdict, said) {
    if (said === undefined || said === null || said === true) return verdict;
    return typeof said === "object" && typeof verdict === "object" ? { ...verdict, ...said } : said;
  },
};

/** Whose each text is, and how long, so that two never become one that others could make as well. */
const variances: Gathering<string | null | undefined> = {
  passesOn: false,
  isDecided: () => false,
  join(text, said, at) {
    if (said === undefined || said === null) return text;
    // Two objects would be one text.
    if (typeof said !== "string") throw new TypeError("cacheVaryFilter returned no text");
    return `${text ?? ""}${at}:${said.length}:${said}`;
  },
};

/** What filters say of a cache, phase by phase, made one. */
export const GATHERINGS: {
  readonly cacheKey: Gathering<string | undefined>;
  readonly cacheHitFilter: Gathering<CacheHitVerdict>;
  readonly cacheMiss: Gathering<void>;
  readonly responseCacheFilter: Gathering<CacheVerdict>;
  readonly cacheVaryFilter: Gathering<string | null | undefined>;
} = {
  cacheKey: keys,
  cacheHitFilter: hits,
  cacheMiss: misses,
  responseCacheFilter: verdicts,
  cacheVaryFilter: variances,
};
