/** Bytes of a name in all, and of one label (RFC 1035 §2.3.4). */
const LONGEST_NAME = 253;

/** Letters, digits and hyphens; underscores too, which no host has by the rules, but some do. */
const NAME = /^(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*$/;

/**
 * A host's name as TLS names it: in lower case, without a dot at its end (RFC 6066 §3). Null for what is none. Addresses are no
 * names either, but clients send IPv4 addresses all the same, and they look like names.
 */
export function toServerName(text: string): string | null {
  if (text.length > LONGEST_NAME) return null;
  const name = text.toLowerCase();
  return NAME.test(name) ? name : null;
}

/** A name that certificates are for: a host's, or one whose first label is `*`. Null for what is none. */
export function toServerPattern(text: string): string | null {
  if (!text.startsWith("*.")) return toServerName(text);
  const parent = toServerName(text.slice(2));
  return parent?.includes(".") === true ? `*.${parent}` : null;
}
