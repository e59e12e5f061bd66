import type { RequestHead } from "../../http/heads.ts";

/** The URL that a request is for; null when it has none that can be read, as `OPTIONS *`. */
export function urlOf({ host, target }: RequestHead, scheme: string): URL | null {
  return target.startsWith("/") ? URL.parse(`${scheme}://${host}${target}`) : null;
}

/** Whether a reference, as Content-Location has it, leads to the very URL of its request. */
export function namesOwnUrl(reference: string, request: RequestHead, scheme: string): boolean {
  const own = urlOf(request, scheme);
  return own !== null && URL.parse(reference, own)?.href === own.href;
}
