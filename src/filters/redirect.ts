import { ProxyError } from "../base/errors.ts";
import type { ResponseInit, Session } from "../proxy/session.ts";
import { canonicalHost } from "./canonical-host.ts";
import { changeFields } from "./field-changes.ts";
import { withOneSlash } from "./rewrite.ts";
import type { FieldChanges } from "./settings.ts";

/** What a redirect's target may take from the request. */
export const PLACEHOLDERS = ["scheme", "host", "path", "query"] as const;

type Placeholder = (typeof PLACEHOLDERS)[number];

/** A piece of a target: text, or what stands in the request. */
export type TargetPart = { readonly text: string } | { readonly placeholder: Placeholder };

/**
 * Splits a target at its placeholders.
 * @throws RangeError when a placeholder is unknown, or stands where a request could make another target of it
 */
export function parseTarget(target: string): TargetPart[] {
  const parts = target.split(/(\$\{[^}]*\})/).filter((piece) => piece !== "");
  return parts.map((piece, i) => {
    const name = /^\$\{(.*)\}$/.exec(piece)?.[1];
    if (name === undefined) return { text: piece };
    if (!isPlaceholder(name)) throw new RangeError(`unknown placeholder ${piece}`);
    checkPlace(name, parts[i - 1] ?? "", parts[i + 1] ?? "");
    return { placeholder: name };
  });
}

function isPlaceholder(name: string): name is Placeholder {
  return PLACEHOLDERS.some((known) => known === name);
}

function checkPlace(name: Placeholder, before: string, after: string): void {
  const problem = PLACE_RULES[name](before, after);
  if (problem !== null) throw new RangeError(`\${${name}} ${problem}`);
}

/** Where each placeholder is harmless: what is wrong with the text before and after it, null when nothing is. */
const PLACE_RULES: Readonly<Record<Placeholder, (before: string, after: string) => string | null>> = {
  scheme: (before, after) => (before === "" && after.startsWith("://") ? null : "must stand before ://"),
  host(before, after) {
    if (!before.endsWith("//")) return "must stand after //";
    return /^(?:[:/?#]|\$\{path\}|$)/.test(after) ? null : "must be followed by a port, a path or nothing";
  },
  // `https://${path}` and `/${path}` would let the client name the host.
  path: (before) =>
    /[/\\:]$/.test(before) ? "begins with a slash and can't follow another or a colon" : null,
  query: (before) => (/[?&]$/.test(before) ? null : "must stand after ? or &"),
};

/** Answers with the redirect: everything that doesn't depend on the request is made here, once. */
export function compileRedirect(
  action: { readonly status: number; readonly target: string },
  changes: FieldChanges | null,
): (session: Session<unknown>) => void {
  const { status } = action;
  const parts = parseTarget(action.target);
  const toResponse = (location: string): ResponseInit => {
    return { status, headers: changeFields([["Location", location]], changes) };
  };
  if (parts.every((part) => "text" in part)) {
    const response = toResponse(action.target);
    return (session) => void session.respond(response);
  }
  return (session) => void session.respond(toResponse(fill(parts, session)));
}

function fill(parts: readonly TargetPart[], session: Session<unknown>): string {
  let location = "";
  for (const part of parts) {
    if ("text" in part) location += part.text;
    else if (part.placeholder === "query") location = withQuery(location, session.request.query);
    else location += textFor(part.placeholder, session);
  }
  return location;
}

/** Without a query the `?` or `&` that led to it goes too. */
function withQuery(location: string, query: string | null): string {
  return query === null ? location.slice(0, -1) : location + query;
}

/**
 * What the client sent, made safe for its place: a path begins with exactly one slash (`//evil.example` would be another
 * site, `*` and CONNECT's target would lengthen the host before it), a host is a name or an address and nothing else.
 * Line breaks and control characters never get through the parser of requests.
 */
function textFor(placeholder: Exclude<Placeholder, "query">, session: Session<unknown>): string {
  const { request, client } = session;
  if (placeholder === "scheme") return client.scheme;
  if (placeholder === "path") return request.target.startsWith("/") ? withOneSlash(request.path) : "/";
  const host = canonicalHost(request.host);
  if (/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(host)) return host;
  throw new ProxyError(
    "DOWNSTREAM_BAD_REQUEST",
    `no redirect can be made from the host ${JSON.stringify(request.host)}`,
  );
}
