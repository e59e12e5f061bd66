// How caches pass cache-tests, the suite of the HTTP working group's chair (https://cache-tests.fyi):
//   node test/conformance/cache-tests/main.ts --proxies sluice,nginx --failures
//
// Nothing of the suite is kept here. It is taken from the folder that --suite names, or cloned with git, once, to the user's cache
// folder, and its packages installed with npm. Its server answers, its client asks, and a proxy of this machine stands between them; beside
// that are the results which its authors publish. Takes about two minutes for each proxy.
//
// Exits with 1 when sluice was asked for and can't be tried, fails a required test, or passes fewer optional ones than the best
// published; with 2 when the suite can't be had.

import { parseArgs } from "node:util";
import { createTemporaryDirectory } from "../../kit/files.ts";
import { freePort } from "../../kit/ports.ts";
import { kinds, readCatalogue, type TestCase } from "./catalogue.ts";
import { runOne, runTests, startServer } from "./client.ts";
import { type ProxyKind, startProxy, whyNot } from "./proxies/proxy-kind.ts";
import { proxyKinds } from "./proxies/registry.ts";
import { readPublished } from "./published.ts";
import { openSuite, type Suite, SuiteMissing } from "./suite.ts";
import { behind, byGroup, byTest, failures, summary } from "./table.ts";
import { bestOf, judge, missed, passed, type Verdicts, type WrittenResults } from "./verdicts.ts";

const { values } = parseArgs({
  options: {
    suite: { type: "string" },
    /** Names, separated by commas; all that are installed when absent, none when empty. */
    proxies: { type: "string" },
    /** How often all of it is run: what passes once has passed, and the others are named. */
    runs: { type: "string", default: "1" },
    /** One test alone, with all that is said. */
    only: { type: "string" },
    /** What isn't passed, with reasons. */
    failures: { type: "boolean", default: false },
    /** Every test, side by side. */
    tests: { type: "boolean", default: false },
  },
});

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const note = (text: string): void => void process.stderr.write(`${text}\n`);

function chosenKinds(): readonly ProxyKind[] {
  if (values.proxies === undefined) return proxyKinds;
  const names = values.proxies.split(",").filter((name) => name !== "");
  return names.map((name) => {
    const kind = proxyKinds.find((one) => one.name === name);
    if (kind === undefined)
      throw new Error(`no proxy ${name}: ${proxyKinds.map((one) => one.name).join(", ")}`);
    return kind;
  });
}

/** Of one proxy, from its start to its end; null when it can't take part. */
async function measure(suite: Suite, kind: ProxyKind, tests: readonly TestCase[]): Promise<Verdicts | null> {
  const reason = await whyNot(kind);
  if (reason !== undefined) {
    note(`${kind.name} left out: ${reason}`);
    return null;
  }
  await using scratch = await createTemporaryDirectory();
  await using server = await startServer(suite, scratch.path);
  await using proxy = await startProxy(kind, await freePort(), server.port);
  if (values.only !== undefined) {
    say(`══ ${kind.name} ${proxy.version}\n${await runOne(suite, proxy.base, values.only)}`);
    return null;
  }
  const runs: WrittenResults[] = [];
  while (runs.length < Number(values.runs)) {
    note(`${kind.name} ${proxy.version}: run ${runs.length + 1} of ${tests.length} tests`);
    runs.push(await runTests(suite, proxy.base));
  }
  const best = bestOf(runs);
  const unsteady = Object.keys(best).filter(
    (id) => best[id] === true && runs.some((run) => run[id] !== true),
  );
  if (unsteady.length > 0) note(`${kind.name} passed only sometimes: ${unsteady.join(", ")}`);
  return judge({ proxy: kind.name, version: proxy.version }, tests, best);
}

async function measureAll(suite: Suite, tests: readonly TestCase[]): Promise<readonly Verdicts[]> {
  const found: Verdicts[] = [];
  for (const kind of chosenKinds()) {
    const verdicts = await measure(suite, kind, tests).catch((error: Error) => {
      note(`${kind.name} left out: ${error.message}`);
      return null;
    });
    if (verdicts !== null) found.push(verdicts);
  }
  return found;
}

function show(
  measured: readonly Verdicts[],
  published: readonly Verdicts[],
  tests: readonly TestCase[],
): void {
  for (const [title, all] of [
    ["Measured here", measured],
    ["Published by the suite's authors", published],
  ] as const) {
    if (all.length === 0) continue;
    say(`${title}\n\n${summary(all, tests)}\n${byGroup(all, tests)}`);
    if (values.tests) for (const kind of kinds) say(byTest(all, tests, kind));
  }
  if (values.failures) {
    for (const verdicts of measured) {
      for (const kind of ["required", "optimal"] as const) say(failures(verdicts, tests, kind));
    }
  }
}

/** What sluice has to show; nothing when it wasn't asked for. */
function showOwn(
  measured: readonly Verdicts[],
  published: readonly Verdicts[],
  tests: readonly TestCase[],
): void {
  if (!chosenKinds().some(({ name }) => name === "sluice")) return;
  const own = measured.find(({ proxy }) => proxy === "sluice");
  if (own === undefined) {
    process.exitCode = 1;
    return;
  }
  const required = missed(own, tests, "required");
  const count = (verdicts: Verdicts): number => passed(verdicts, tests, "optimal").length;
  const best = Math.max(...published.map(count));
  say(
    `sluice: ${required.length} required tests not passed; ${count(own)} optional ones passed, the best published ${best}`,
  );
  say(`optional ones that another passes: ${behind(own, published, tests).join(", ") || "none"}`);
  if (required.length > 0 || count(own) < best) process.exitCode = 1;
}

try {
  const suite = await openSuite(values.suite);
  const tests = await readCatalogue(suite);
  say(`cache-tests ${suite.commit}: ${tests.length} tests for caches before servers\n`);
  const measured = await measureAll(suite, tests);
  if (values.only === undefined) {
    const published = await readPublished(suite, tests);
    show(measured, published, tests);
    showOwn(measured, published, tests);
  }
} catch (error) {
  if (!(error instanceof SuiteMissing)) throw error;
  note(error.message);
  process.exitCode = 2;
}
