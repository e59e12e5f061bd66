/** Why a request went to the server (RFC 9211 §2.2). */
export const Forward = {
  /** The program wanted it so. */
  Bypass: "bypass",
  UriMiss: "uri-miss",
  VaryMiss: "vary-miss",
  /** By its own directives. */
  Request: "request",
  Stale: "stale",
} as const;
export type Forward = (typeof Forward)[keyof typeof Forward];

/** What became of a request in this cache. */
export interface CacheStatus {
  /** null for what was answered from the cache. */
  readonly forward: Forward | null;
  /** Of the server, where it differs from what the client gets. */
  readonly forwardStatus?: number;
  /** How long it is still fresh, in seconds; negative when it is stale. */
  readonly ttl?: number;
  readonly stored?: boolean;
  /** It waited for what another request fetched. */
  readonly collapsed?: boolean;
  /** Left out where it isn't ASCII. */
  readonly detail?: string;
}

/**
 * A member of the field Cache-Status (RFC 9211): `Sluice; fwd=stale; fwd-status=304; ttl=60`. It is added behind those of
 * caches that are nearer to the server.
 * @param cache its name, a token
 */
export function formatCacheStatus(cache: string, status: CacheStatus): string {
  const { forward, forwardStatus, ttl, stored, collapsed, detail } = status;
  let text = forward === null ? `${cache}; hit` : `${cache}; fwd=${forward}`;
  if (forwardStatus !== undefined) text += `; fwd-status=${forwardStatus}`;
  if (ttl !== undefined) text += `; ttl=${ttl}`;
  if (stored === true) text += "; stored";
  if (collapsed === true) text += "; collapsed";
  if (detail !== undefined && IS_STRING.test(detail)) text += `; detail=${tokenOrString(detail)}`;
  return text;
}

/** What a string of a structured field may hold (RFC 9651 §3.3.3), and a token (§3.3.4). */
const IS_STRING = /^[\x20-\x7e]*$/;
const IS_TOKEN = /^[A-Za-z*][\w!#$%&'*+.^`|~:/-]*$/;

/** Whether a cache can be called so. */
export function isCacheLabel(text: string): boolean {
  return IS_TOKEN.test(text);
}

function tokenOrString(text: string): string {
  return IS_TOKEN.test(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** The seconds that a response is still fresh, whole ones. Times in milliseconds since 1970, the lifetime in seconds. */
export function timeToLive(bornAt: number, lifetime: number, now: number): number {
  return lifetime - Math.ceil(Math.max(0, now - bornAt) / 1000);
}
