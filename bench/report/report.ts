import type { Bench, Settings } from "../bench.ts";
import type { Machine } from "../measure/machine.ts";
import type { Peer } from "../peers/peer.ts";
import type { WorkloadResult } from "../results.ts";
import { replaceBlock } from "./document.ts";
import { failureLines, resultCells } from "./result-table.ts";
import { markdownTable, textTable } from "./table.ts";

/** A peer that is not installed. */
export interface Missing {
  readonly peer: string;
  readonly how: string;
}

/** All there is to say about a run. */
export interface Report {
  readonly machine: Machine;
  readonly settings: Settings;
  /** How it was measured, a line each. */
  readonly setup: readonly string[];
  readonly results: readonly WorkloadResult[];
  readonly missing: readonly Missing[];
}

/** How the run was set up, for readers of the numbers. */
export function setupLines(
  { settings, generator, origin, pinning }: Bench,
  peers: readonly Peer[],
): string[] {
  const { seconds, rounds, warmUpSeconds, threads } = settings;
  const single = threads > 1 ? peers.filter((peer) => peer.singleThreaded).map(({ name }) => name) : [];
  return [
    `${rounds} round(s) of ${seconds} s after ${warmUpSeconds} s of warm-up, ${threads} proxy thread(s)`,
    `load by ${generator.name}, of HTTP/2 by h2load, of TLS handshakes by our own generator`,
    `origin ${origin.name}; for byte streams origin and load of our own; ${pinning.note}`,
    ...(single.length > 0 ? [`with one thread nevertheless: ${single.join(", ")}`] : []),
  ];
}

function machineLine({ processor, processors, memoryGiB, system, node }: Machine): string {
  return `${processors} × ${processor}, ${memoryGiB} GiB, ${system}, Node.js ${node}`;
}

/** The run as text for a terminal. */
export function reportText({ machine, setup, results, missing }: Report): string {
  const parts = results.map((result) =>
    [`${result.workload}: ${result.title}`, textTable(resultCells(result)), ...failureLines(result)].join(
      "\n",
    ),
  );
  const hints = missing.map(({ peer, how }) => `not measured: ${peer} (${how})`);
  return [
    [machineLine(machine), ...setup].join("\n"),
    ...parts,
    ...(hints.length > 0 ? [hints.join("\n")] : []),
  ]
    .join("\n\n")
    .concat("\n");
}

/** docs/performance.md with the tables of this run; those of workloads not run stay. */
export function updateDocument(document: string, { machine, setup, results }: Report): string {
  const lines = [machineLine(machine), ...setup].map((line) => `- ${line}`).join("\n");
  return results.reduce(
    (text, result) =>
      replaceBlock(
        text,
        result.workload,
        [markdownTable(resultCells(result)), ...failureLines(result)].join("\n\n"),
      ),
    replaceBlock(document, "setup", lines),
  );
}
