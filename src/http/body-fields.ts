import type { HttpHeaders } from "./http-headers.ts";

/** Fields that say what a body's bytes are like, which trailers may hold for want of knowing it before. */
const DIGESTS = ["content-md5", "content-digest", "repr-digest", "digest"] as const;

/** The body that these trailers follow isn't of the bytes any more that they tell of. */
export function forgetDigests(trailers: HttpHeaders): void {
  for (const name of DIGESTS) trailers.delete(name);
}

/** The body of this head becomes another one: of the same meaning, but not of the same bytes. */
export function forgetBytes(headers: HttpHeaders): void {
  forgetDigests(headers);
  headers.delete("content-length");
  // Servers know ranges of the other one.
  headers.delete("accept-ranges");
  weakenTag(headers);
}

/** Two responses of the same strong tag have the same bytes (RFC 9110 §8.8.1), which these don't. */
function weakenTag(headers: HttpHeaders): void {
  const tag = headers.get("etag");
  if (tag?.startsWith('"') === true) headers.set("ETag", `W/${tag}`);
}
