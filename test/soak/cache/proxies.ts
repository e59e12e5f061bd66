import { nginx, varnish } from "../../conformance/cache-tests/proxies/peers.ts";
import { type ProxyKind, startProxy } from "../../conformance/cache-tests/proxies/proxy-kind.ts";
import { sluiceWith } from "../../conformance/cache-tests/proxies/sluice.ts";
import { freePort } from "../../kit/ports.ts";
import type { Ability } from "./check.ts";

/** A proxy that can be started for a run, and what it isn't held to. */
export interface CacheKind {
  readonly kind: ProxyKind;
  readonly without: readonly Ability[];
  /** The method by which it is told to forget a path; null: there is none. */
  readonly purgeMethod: string | null;
}

/** With the method PURGE, and stale answers as the origin allows them. */
const purgingVarnish: ProxyKind = {
  ...varnish,
  files: ({ originPort }) => ({
    "default.vcl": `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "${originPort}"; }
sub vcl_recv {
  if (req.method == "PURGE") { return (purge); }
  if (req.method == "POST") { return (pass); }
}
`,
  }),
};

export const cacheKinds: Readonly<Record<string, CacheKind>> = {
  // What is stale is served only where the origin allows it.
  sluice: {
    kind: sluiceWith({ purge_from: "127.0.0.1", stale_if_error: "0s" }),
    without: [],
    purgeMethod: "PURGE",
  },
  varnish: { kind: purgingVarnish, without: ["requests", "invalidation", "multipart"], purgeMethod: "PURGE" },
  nginx: {
    kind: {
      ...nginx,
      files: (place) =>
        Object.fromEntries(
          Object.entries(nginx.files(place)).map(([name, text]) => [
            name,
            text.replace("proxy_cache cache;", "proxy_cache cache; proxy_cache_lock on;"),
          ]),
        ),
    },
    without: ["age", "requests", "freshening", "authorization", "invalidation"],
    purgeMethod: null,
  },
};

/** Starts one before the origin of that port. */
export async function startCache(
  { kind }: CacheKind,
  originPort: number,
): Promise<{ readonly port: number } & AsyncDisposable> {
  const port = await freePort();
  const proxy = await startProxy(kind, port, originPort);
  return { port, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}
