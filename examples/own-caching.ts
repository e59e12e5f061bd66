/**
 * A cache that a program decides about: what is asked of it, under which keys, what is stored and for how long, and who may purge.
 *
 *     sluice run examples/own-caching.ts --bind 127.0.0.1:6188
 *
 *     curl -i http://127.0.0.1:6188/pages/1                          Cache-Status tells what the cache did
 *     curl -i http://127.0.0.1:6188/pages/1 -H 'Cookie: beta=1'      another page for these
 *     curl -i http://127.0.0.1:6188/pages/1 -X PURGE                 200: it was there
 */
import { defineProxy, HttpPeer, memoryCache } from "sluice";

// All threads share it. 304s and stale responses of an ill server come by themselves.
const pages = memoryCache({ mostBytes: 256 * 2 ** 20, staleIfError: 3600 });
// The same cache, by another rule: nobody's tracking parameters make pages of their own.
const articles = pages.use({ query: { keeps: "only", names: ["page"] } });

const origin = new HttpPeer(process.env.ORIGIN ?? "127.0.0.1:3000");

export default defineProxy({
  requestCacheFilter({ request }) {
    if (request.path.startsWith("/account/")) return null;
    return request.path.startsWith("/articles/") ? articles : pages;
  },

  isPurge: ({ request, client }) => request.method === "PURGE" && client.address === "127.0.0.1",

  // Behind a line break: a purge of the URL finds it, whatever stands there.
  cacheKey({ request }, key) {
    const isBeta = /(?:^|; )beta=1(?:;|$)/.test(request.headers.get("cookie") ?? "");
    return isBeta ? `${key}\nbeta` : key;
  },

  cacheHitFilter({ request }, { age }) {
    // Whoever edits pages wants to see them as they are.
    return request.headers.has("x-editor") && age > 0 ? "expired" : undefined;
  },

  upstreamPeer: () => origin,

  responseCacheFilter({ request }, response) {
    if (response.status === 404) return { lifetime: 10 };
    if (response.headers.get("x-draft") !== null) return "draft";
    const [, section = "none"] = request.path.split("/");
    return { tags: [section] };
  },

  logging({ request, cache }) {
    const reason = cache.reason === null ? "" : ` (${cache.reason})`;
    console.log(`${request.method} ${request.path}: ${cache.phase}${reason}`);
  },
});
