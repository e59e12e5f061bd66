// Kills under load: node test/soak/cache-crash/main.ts --kills 200
//
// A process reads, writes, replaces, renews, gives up and removes entries of a cache on disk, in several threads, until it is killed at a
// random moment. The next one comes to what it left: every entry that it serves is compared byte by byte with what its key must give, the
// index with the files, and what the folder takes with its bound.
//
// With --proxy it is the whole proxy that is killed: clients ask it over HTTP, change and purge what it has, and no answer may be older than what
// they were told is gone.
//
// Says what happens on stderr and what came of it on stdout; exits with 1 when anything was not as it should be.

import { parseArgs } from "node:util";
import { createTemporaryDirectory } from "../../kit/files.ts";
import { runProxyCrashes } from "./proxy-run.ts";
import { runCrashes } from "./run.ts";

const MIB = 1024 * 1024;

const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "200" },
    bound: { type: "string", default: "64" },
    keys: { type: "string", default: "1500" },
    threads: { type: "string", default: "2" },
    load: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
    proxy: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const HELP = `node test/soak/cache-crash/main.ts [options]

  --kills <number>     processes that are killed (200)
  --bound <MiB>        bound of the cache (64)
  --keys <number>      keys that are asked for (1500)
  --threads <number>   threads of each process (2)
  --load <ms>          load until a kill, at the most (1000)
  --seed <number>      the same seed gives the same load and moments (1)
  --proxy              kills the whole proxy, with a cache on disk alone and one behind memory, each with that bound
`;

if (values.help) process.stdout.write(HELP);
else if (values.proxy) await mainOfProxy();
else await main();

async function mainOfProxy(): Promise<void> {
  await using folder = await createTemporaryDirectory();
  const kills = Number(values.kills);
  const report = await runProxyCrashes({
    join: (name) => folder.join(name),
    mostBytes: Number(values.bound) * MIB,
    ...{ kills, keys: Number(values.keys), threads: Number(values.threads) },
    ...{ seed: Number(values.seed), mostLoad: Number(values.load) },
    onRound: (round, served, fullest) => {
      process.stderr.write(
        `${round}: ${served} served after the start, ${(100 * fullest).toFixed(1)} % of the bound\n`,
      );
    },
  });
  const sums = `${report.served} entries served after restarts, ${report.compared} compared in all`;
  tell([`${kills} kills; ${sums}, each as it should be`], report);
}

/** @param lines what came of it, if there was no problem */
function tell(
  lines: readonly string[],
  { problems, fullest }: { readonly problems: readonly string[]; readonly fullest: number },
): void {
  const all = [
    ...lines,
    `a folder took ${(100 * fullest).toFixed(2)} % of its bound at the most`,
    ...problems.map((problem) => `PROBLEM: ${problem}`),
    problems.length === 0 ? "good" : "not good",
  ];
  process.stdout.write(`${all.join("\n")}\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

async function main(): Promise<void> {
  await using folder = await createTemporaryDirectory();
  const report = await runCrashes({
    folder: folder.join("cache"),
    mostBytes: Number(values.bound) * MIB,
    keys: Number(values.keys),
    threads: Number(values.threads),
    seed: Number(values.seed),
    kills: Number(values.kills),
    mostLoad: Number(values.load),
    onRound: (round, { served, files, usage }) => {
      process.stderr.write(
        `${round}: ${served} entries served of ${files}, ${Math.round(usage / MIB)} MiB\n`,
      );
    },
  });
  const served = report.found.reduce((sum, found) => sum + found.served, 0);
  tell([`${report.kills} kills; ${served} entries served after restarts, each as it should be`], report);
}
