import type { Peer } from "../peers/peer.ts";
import type { Workload } from "../workloads.ts";

/** What can be measured, and what is missing and how to get it. */
export async function listText(peers: readonly Peer[], workloads: readonly Workload[]): Promise<string> {
  const lines = await Promise.all(peers.map(peerLine));
  return [
    "Peers:",
    ...lines,
    "",
    "Workloads:",
    ...workloads.map((workload) => `  ${workload.name.padEnd(14)}  ${workload.title}${budgetNote(workload)}`),
    "",
  ].join("\n");
}

function budgetNote(workload: Workload): string {
  const budget = "budget" in workload ? workload.budget : undefined;
  return budget === undefined ? "" : ` (sluice: at most ${budget} × nginx)`;
}

async function peerLine({ name, about, available }: Peer): Promise<string> {
  const availability = await available();
  const state = availability.ready ? availability.version : `missing: ${availability.how}`;
  return `  ${name.padEnd(14)}  ${state.padEnd(12)}  ${about}`;
}
