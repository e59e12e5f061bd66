// A cache under clients that ask for everything in every way, every answer held against what the origin would have said:
//   node test/soak/cache/main.ts --start varnish --requests 100000 --seed 1
//   node test/soak/cache/main.ts --origin-port 9000 --proxy 127.0.0.1:8080 --purge-method PURGE --without age,requests
//
// The origin's answers follow from path and time: size, validators, Cache-Control, Vary, versions that change, answers that are slow, break
// off or fail. Clients ask for all or a part, with conditions or without, known or not, leave early, change and purge, and come in
// crowds. Every byte is compared; that it is of one version, for this client, not older than allowed, and newer than the last purge.
//
// --start begins one of `proxies.ts` for the run; without it a proxy has to stand before the port of --origin-port already.
// --without names what it isn't held to: age, requests, freshening, authorization, invalidation, collapsing, multipart. See check.ts.
// Exits with 1 when anything was wrong.

import { parseArgs } from "node:util";
import { type Ability, abilities } from "./check.ts";
import type { Purge } from "./lane.ts";
import { Origin } from "./origin.ts";
import { cacheKinds, startCache } from "./proxies.ts";
import { type Address, Clients } from "./question.ts";
import { runCache, show } from "./run.ts";

const { values } = parseArgs({
  options: {
    start: { type: "string" },
    "origin-port": { type: "string", default: "0" },
    proxy: { type: "string" },
    "purge-method": { type: "string" },
    without: { type: "string" },
    requests: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    lanes: { type: "string", default: "32" },
    resources: { type: "string", default: "200" },
    /** Milliseconds; ages are whole seconds, of two clocks' ticks. */
    slack: { type: "string", default: "2000" },
  },
});

function chosen() {
  if (values.start === undefined) return null;
  const found = cacheKinds[values.start];
  if (found === undefined) throw new Error(`--start: one of ${Object.keys(cacheKinds).join(", ")}`);
  return found;
}

function purgeBy(method: string | null | undefined, proxy: Address): Purge | null {
  if (method === null || method === undefined) return null;
  const clients = new Clients(proxy);
  return async (path) => {
    const { status } = await clients.tell(path, method);
    if (status < 200 || status > 299) throw new Error(`${status} to ${method}`);
  };
}

function abilitiesIn(text: string): readonly Ability[] {
  return text.split(",").map((name) => {
    const found = abilities.find((ability) => ability === name);
    if (found === undefined) throw new Error(`--without: of ${abilities.join(", ")}`);
    return found;
  });
}

const kind = chosen();
await using origin = await Origin.start(Number(values["origin-port"]));
await using started = kind === null ? null : await startCache(kind, origin.port);
const [host = "127.0.0.1", port = "8080"] = (values.proxy ?? `127.0.0.1:${started?.port ?? 8080}`).split(":");
const proxy: Address = { host, port: Number(port) };
const report = await runCache({
  ...{ origin, proxy, seed: Number(values.seed), requests: Number(values.requests) },
  ...{ lanes: Number(values.lanes), resources: Number(values.resources), slack: Number(values.slack) },
  purge: purgeBy(values["purge-method"] ?? kind?.purgeMethod, proxy),
  without: values.without === undefined ? (kind?.without ?? []) : abilitiesIn(values.without),
});
process.stdout.write(show(report));
process.exit(report.complaints.size === 0 ? 0 : 1);
