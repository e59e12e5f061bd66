import type { Faults } from "./faults.ts";
import type { Mode } from "./mode.ts";

/** Changes what a proxy does to all its connections. */
export function applyMode(faults: Faults, before: Mode, after: Mode): void {
  if (before.kind === "latency") for (const name of ["mode/upstream", "mode/downstream"]) faults.remove(name);
  if (after.kind !== "latency") return;
  for (const stream of ["upstream", "downstream"]) {
    const { latency, jitter } = after;
    faults.add({
      name: `mode/${stream}`,
      type: "latency",
      stream,
      toxicity: 1,
      attributes: { latency, jitter },
    });
  }
}
