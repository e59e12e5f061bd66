import type { ResponseHead } from "../../http/heads.ts";
import { canHold, MetaFlag, type ResponseMeta } from "../meta.ts";
import { bornAt } from "./age.ts";
import { ABSENT, type CacheDirectives, Directive } from "./directives.ts";
import type { CachePolicy } from "./policy.ts";
import type { ResponseFacts } from "./response-facts.ts";
import { storedFields } from "./stored-fields.ts";
import { joinTags, tagsOf } from "./tags.ts";

/** What a meta says that isn't in the response. */
export interface Placing {
  /** The text of its key. */
  readonly key: string;
  /** Of the purges, when the request was sent: one that came since counts. */
  readonly generation: number;
  /** Bytes of the body; -1 while nobody knows. */
  readonly bodyLength: number;
  /** In place of its own. */
  readonly tags?: readonly string[];
  /** By which the body is known, as long as it is the same. */
  readonly epoch: number;
}

/**
 * What is stored of a response that `whyNotStored` has nothing against.
 * @param lifetime as `lifetimeOf` found it
 * @returns null when it has more or longer fields than a meta can hold: it isn't stored either
 */
export function toMeta(
  response: ResponseHead,
  facts: ResponseFacts,
  lifetime: number,
  policy: CachePolicy,
  placing: Placing,
): ResponseMeta | null {
  const { directives } = facts;
  const fields = storedFields(response.headers, directives);
  // It was made when it came (RFC 9110 §6.6.1), not whenever it is served.
  if (!response.headers.has("date")) fields.push(["Date", new Date(facts.responseTime).toUTCString()]);
  if (!canHold(fields)) return null;
  const heedsOwn = !mustRevalidate(directives) && !directives.has(Directive.NoCache);
  const { tags, ...place } = placing;
  return {
    ...place,
    status: facts.status,
    flags: flagsOf(facts),
    responseTime: facts.responseTime,
    bornAt: bornAt(facts),
    date: facts.date,
    lastModified: facts.lastModified,
    lifetime,
    staleWhileRevalidate: heedsOwn
      ? staleTime(directives, directives.staleWhileRevalidate, policy.staleWhileRevalidate)
      : 0,
    staleIfError: heedsOwn ? staleTime(directives, directives.staleIfError, policy.staleIfError) : 0,
    varyList: "",
    tags: tags === undefined ? tagsOf(response.headers) : joinTags(tags),
    fields,
  };
}

/** `s-maxage` forbids stale answers (RFC 9111 §5.2.2.10) but to a server that asks for them in the same breath. */
function staleTime({ sharedMaxAge }: CacheDirectives, told: number, byPolicy: number): number {
  if (told !== ABSENT) return told;
  return sharedMaxAge === ABSENT ? byPolicy : 0;
}

function mustRevalidate(directives: CacheDirectives): boolean {
  return directives.has(Directive.MustRevalidate | Directive.ProxyRevalidate);
}

function flagsOf({ directives, etag, lastModified }: ResponseFacts): number {
  let flags = 0;
  if (mustRevalidate(directives) || directives.sharedMaxAge !== ABSENT) flags |= MetaFlag.MustRevalidate;
  if (directives.has(Directive.NoCache)) flags |= MetaFlag.NoCache;
  if (etag !== null) flags |= MetaFlag.HasEtag;
  if (!Number.isNaN(lastModified)) flags |= MetaFlag.HasLastModified;
  return flags;
}
