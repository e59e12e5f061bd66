import { ProxyError } from "../base/errors.ts";
import type { RequestHead } from "../http/heads.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { changeHeaders, changeQuery } from "./field-changes.ts";
import { decodePath, encodePath, readingsOf } from "./request-path.ts";
import type { HostChange, PathChange, RequestChanges } from "./settings.ts";

/** Changes a request on its way to a server. */
export type RequestRewrite = (request: RequestHead, peer: HttpPeer | null) => void;

/** One function for all changes of a route, made of those that it asks for. */
export function compileRewrite(changes: RequestChanges): RequestRewrite {
  const { query, host, headers } = changes;
  const steps: RequestRewrite[] = [];
  if (changes.path.length > 0) steps.push(compilePathChanges(changes.path));
  if (query !== null) steps.push((request) => rewriteQuery(request, query));
  if (host !== null) steps.push((request, peer) => request.headers.set("Host", hostFor(host, peer)));
  if (headers !== null) steps.push((request) => changeHeaders(request.headers, headers));
  return (request, peer) => {
    for (const step of steps) step(request, peer);
  };
}

function rewriteQuery(request: RequestHead, changes: NonNullable<RequestChanges["query"]>): void {
  if (request.target.startsWith("/")) request.query = changeQuery(request.query, changes);
}

/** A Unix socket has no host; what servers behind one expect is customary. */
function hostFor(change: HostChange, peer: HttpPeer | null): string {
  if (change.kind === "literal") return change.host;
  if (peer === null || peer.address.kind === "unix") return "localhost";
  const host = peer.toString();
  // Nobody writes the port that goes without saying, and servers that look for themselves in `Host` don't expect it.
  return peer.isSecure && host.endsWith(":443") ? host.slice(0, -":443".length) : host;
}

/** `OPTIONS *` and CONNECT have no path to change. */
function compilePathChanges(changes: readonly PathChange[]): RequestRewrite {
  const steps = changes.map(compilePathChange);
  return (request) => {
    const { path } = request;
    if (!path.startsWith("/")) return;
    let changed = path;
    for (const step of steps) changed = step(changed);
    if (changed !== path) request.path = changed;
  };
}

function compilePathChange(change: PathChange): (path: string) => string {
  switch (change.kind) {
    case "set":
      return () => change.path;
    case "strip_prefix":
      return (path) => stripPrefix(path, change.prefix);
    case "add_prefix":
      return (path) => change.prefix + path;
    case "replace": {
      const regex = new RegExp(change.pattern, "gu");
      return (path) => replaceInPath(path, regex, change.replacement);
    }
  }
}

/**
 * Takes off as many segments as the prefix has, if they are the prefix once decoded; the rest stays the bytes it came as.
 * It begins with exactly one slash: `/api//evil.example` must not become `//evil.example`, which a server that redirects
 * to it would turn into another site's address.
 */
function stripPrefix(path: string, prefix: string): string {
  const end = endOfSegments(path, prefix.split("/").length - 1);
  if (decodePath(path.slice(0, end)) !== prefix) return path;
  return withOneSlash(path.slice(end));
}

function endOfSegments(path: string, count: number): number {
  let at = 0;
  for (let i = 0; i < count; i++) {
    const next = path.indexOf("/", at + 1);
    if (next === -1) return path.length;
    at = next;
  }
  return at;
}

export function withOneSlash(path: string): string {
  return `/${path.replace(/^[/\\]+/, "")}`;
}

/**
 * A regular expression sees the decoded path, as matchers do. It may join what was harmless apart: `^/x` replaced by `/y/`
 * makes `/y/../z` of `/x../z`.
 */
function replaceInPath(path: string, regex: RegExp, replacement: string): string {
  const decoded = decodePath(path);
  if (decoded === null)
    throw new ProxyError("DOWNSTREAM_BAD_REQUEST", `the path ${JSON.stringify(path)} is not allowed`);
  const replaced = decoded.replace(regex, replacement);
  if (replaced === decoded) return path;
  const result = withOneSlash(encodePath(replaced));
  if (readingsOf(result) === null) {
    throw new ProxyError(
      "DOWNSTREAM_BAD_REQUEST",
      `the path ${JSON.stringify(path)} would be rewritten to ${result}`,
    );
  }
  return result;
}
