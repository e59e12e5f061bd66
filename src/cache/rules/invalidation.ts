import type { RequestHead, ResponseHead } from "../../http/heads.ts";

/** Methods that change nothing, by their registry (RFC 9110 §16.1.1). */
const SAFE: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "OPTIONS",
  "TRACE",
  "PROPFIND",
  "REPORT",
  "SEARCH",
  "QUERY",
]);

/** Whether requests of a method change nothing; of one that nobody knows, one can't tell. */
export function isSafe(method: string): boolean {
  return SAFE.has(method);
}

/**
 * The URLs of which nothing stored is to be served any more after a response (RFC 9111 §4.4): that of a request which may have
 * changed something, and what the response names by Location and Content-Location, on the same origin only, or a site could
 * empty the cache of another one. None after an error.
 */
export function invalidatedBy(request: RequestHead, scheme: string, response: ResponseHead): string[] {
  const { status } = response;
  if (isSafe(request.method) || status < 200 || status >= 400) return [];
  const text = `${scheme}://${request.host}${request.target}`;
  const own = request.target.startsWith("/") ? URL.parse(text) : null;
  if (own === null) return [];
  const urls = new Set([text]);
  for (const name of ["location", "content-location"]) {
    const reference = response.headers.get(name);
    const url = reference === null ? null : URL.parse(reference, own);
    if (url?.origin === own.origin) urls.add(`${url.origin}${url.pathname}${url.search}`);
  }
  return [...urls];
}
