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
import { runCache, show, showProgress } from "./run.ts";
import { openTarget, targetOptions } from "./target.ts";

const { values } = parseArgs({
  options: {
    ...targetOptions,
    requests: { type: "string", default: "100000" },
    seed: { type: "string", default: "1" },
    /** Who ask at once. A fifth of what they ask for takes the origin a while: fewer make fewer requests a second, not a slower proxy. */
    lanes: { type: "string", default: "96" },
    resources: { type: "string", default: "200" },
    /** Milliseconds; ages are whole seconds, of two clocks' ticks. They count what the origin took to answer: on a busy machine it takes more. */
    slack: { type: "string", default: "2000" },
  },
});

await using target = await openTarget(values);
const report = await runCache({
  ...target,
  ...{ seed: Number(values.seed), requests: Number(values.requests), lanes: Number(values.lanes) },
  ...{ resources: Number(values.resources), slack: Number(values.slack) },
  onProgress: (tally, seconds) => void process.stderr.write(showProgress(tally, seconds)),
});
process.stdout.write(show(report));
process.exitCode = report.complaints.size === 0 ? 0 : 1;
