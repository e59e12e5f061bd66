/** Bytes of a name in all, and of one label (RFC 1035 §2.3.4). */
const LONGEST_NAME = 253;

/** Letters, digits and hyphens; underscores too, which no host has by the rules, but some do. */
const NAME = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*$/;

/**
 * A host's name as TLS names it: in lower case, without a dot at its end (RFC 6066 §3). Null for what is none. Addresses are no
 * names either, but clients send IPv4 addresses all the same, and they look like names.
 */
export function toServerName(text: string): string | null {
  // Looked at before it is made lower case: there are signs that become letters by that.
  return text.length <= LONGEST_NAME && NAME.test(text) ? text.toLowerCase() : null;
}

/** A name that certificates are for: a host's, or one whose first label is `*`. Null for what is none. */
export function toServerPattern(text: string): string | null {
  if (!text.startsWith("*.")) return toServerName(text);
  const parent = toServerName(text.slice(2));
  return parent?.includes(".") === true ? `*.${parent}` : null;
}
