import { cookieOf } from "../http/cookie.ts";
import type { Session } from "../proxy/session.ts";
import { canonicalHost } from "./canonical-host.ts";
import { ClientAddresses } from "./client-addresses.ts";
import { ClientPrefixes } from "./client-prefix.ts";
import { plainPathLength, readingsOf } from "./request-path.ts";
import type { KeyPart } from "./settings.ts";

/** What of a request others are told apart from it, or held together with it, by. */
export type Key = (session: Session<unknown>) => string;

const DIRECT = new ClientAddresses([]);

/**
 * A function that finds the key of a request. A single part is the key as it is; several are joined so that no two lists of
 * values give the same key. What a request doesn't have counts as empty; where it has nothing of all that, so is the key.
 * @param clients who tells where requests come from. Default: their connections do
 */
export function compileKey(parts: readonly KeyPart[], clients: ClientAddresses = DIRECT): Key {
  const keys = parts.map((part) => compilePart(part, clients));
  const [only] = keys;
  if (only === undefined) return () => "";
  return keys.length === 1 ? only : (session) => join(keys, session);
}

function join(keys: readonly Key[], session: Session<unknown>): string {
  let joined = "";
  let isEmpty = true;
  for (const key of keys) {
    const value = key(session);
    if (value !== "") isEmpty = false;
    // The length says where a value ends, whatever is in it.
    joined += `${value.length}:${value}`;
  }
  return isEmpty ? "" : joined;
}

function compilePart(part: KeyPart, clients: ClientAddresses): Key {
  switch (part.kind) {
    case "client": {
      const prefixes = new ClientPrefixes(part.v6Prefix);
      return (session) => prefixes.of(clients.addressOf(session));
    }
    case "header":
      return ({ request }) => request.headers.get(part.name) ?? "";
    case "cookie":
      return ({ request }) => cookieOf(request, part.name) ?? "";
    case "query":
      return ({ request }) => queryValue(request.query, part.name);
    case "path":
      return ({ request }) => plainPath(request.target);
    case "host":
      return hostKey();
    case "method":
      return ({ request }) => request.method;
  }
}

function queryValue(query: string | null, name: string): string {
  return query === null || query === "" ? "" : (new URLSearchParams(query).get(name) ?? "");
}

/** The path in the plainest way that a server may read it: other spellings of it would be as many other keys. */
function plainPath(target: string): string {
  const length = plainPathLength(target);
  if (length !== -1) return length === target.length ? target : target.slice(0, length);
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  return readingsOf(path)?.at(-1) ?? path;
}

/** Clients of one site send one Host: comparing it is cheaper than bringing it into its canonical form again. */
function hostKey(): Key {
  let last = "";
  let canonical = "";
  return ({ request: { host } }) => {
    if (host !== last) {
      last = host;
      canonical = canonicalHost(host);
    }
    return canonical;
  };
}
