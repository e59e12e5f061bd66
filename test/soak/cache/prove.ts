// Whether the run finds what is wrong: the same run before a cache that is right, and before one for each thing that a cache can do
// wrong. By hand: node test/soak/cache/prove.ts [requests] [seed]
//
// Exits with 1 when the right one was blamed, or a wrong one wasn't.

import { Origin } from "./origin.ts";
import { PaperCache, type Wrong, wrongs } from "./paper-cache.ts";
import { type CacheReport, runCache, show } from "./run.ts";

const requests = Number(process.argv[2] ?? 4000);
const seed = Number(process.argv[3] ?? 1);

async function tryOut(wrong: Wrong | null): Promise<CacheReport> {
  await using origin = await Origin.start(0);
  await using cache = await PaperCache.start(origin.port, wrong);
  return await runCache({
    ...{ origin, seed, requests, lanes: 24, resources: 60, slack: 1000, without: [] },
    proxy: { host: "127.0.0.1", port: cache.port },
    purge: async (path) => cache.purge(path),
  });
}

for (const wrong of [null, ...wrongs]) {
  const report = await tryOut(wrong);
  const flaws = [...report.complaints].map(([flaw, texts]) => `${flaw} ${texts.length}`).join(", ");
  const isAsWanted = (wrong === null) === (report.complaints.size === 0);
  process.stdout.write(
    `${isAsWanted ? "ok " : "NOT OK "} ${wrong ?? "right"}: ${flaws || "nothing found"}\n`,
  );
  if (isAsWanted) continue;
  process.stdout.write(show(report));
  process.exitCode = 1;
}
