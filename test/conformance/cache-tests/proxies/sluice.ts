import { join } from "node:path";
import type { ProxyKind } from "./proxy-kind.ts";

const root = join(import.meta.dirname, "..", "..", "..", "..");

/** The cache as the suite wants it: with what is off as it comes, since not every server may be trusted so far. */
const cache = { use: "64MiB", heuristic: true, store_cookies: true, stale_if_error: "1h" };

/** Sluice of this checkout. @param more that is said of its cache */
export function sluiceWith(more: object): ProxyKind {
  return {
    name: "sluice",
    program: "sluice",
    versionArguments: [join(root, "bin", "sluice.js"), "--version"],
    find: () => process.execPath,
    files: ({ port, originPort }) => ({
      // YAML takes JSON as it is.
      "sluice.yaml": JSON.stringify({
        version: 1,
        listeners: [{ bind: `127.0.0.1:${port}`, upstream: "suite", cache: { ...cache, ...more } }],
        // Its server names codings that there aren't.
        upstreams: { suite: { servers: `127.0.0.1:${originPort}`, transfer_codings: "any" } },
      }),
    }),
    args: ({ folder }) => [join(root, "bin", "sluice.js"), "run", `${folder}/sluice.yaml`, "--threads", "2"],
  };
}

export const sluice: ProxyKind = sluiceWith({});
