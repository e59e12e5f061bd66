import type { Attributes } from "../chaos/attributes.ts";
import type { ToxicChange } from "../chaos/faults.ts";
import { formatMode } from "../chaos/modes.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { Ramp, ScenarioProxy, StepAction, Targets } from "../config/scenario.ts";
import { formatDuration } from "../config/scenario-quantity.ts";

/** What a step does, in words that tell all of it. */
export function describeAction(action: StepAction): string {
  switch (action.kind) {
    case "mode":
      return `mode ${formatMode(action.mode)}`;
    case "addToxic":
      return `add ${describeToxic(action.toxic)}`;
    case "updateToxic":
      return `update toxic ${action.toxic}${describeChange(action.change)}`;
    case "removeToxic":
      return `remove toxic ${action.toxic}`;
    case "ramp":
      return describeRamp(action.ramp);
    case "cut":
      return "cut all connections";
    case "enabled":
      return action.enabled ? "enable" : "disable";
  }
}

/** That a step is over. */
export function describeUndo(action: StepAction): string {
  return `undo: ${describeAction(action)}`;
}

/** Where a ramp has come to. */
export function describeValue({ toxic, attribute }: Ramp, value: number): string {
  return `ramp ${toxic}.${attribute} at ${value}`;
}

/** The proxies that a step acts on, as far as they are known beforehand. */
export function describeTargets(targets: Targets): readonly string[] {
  return targets.kind === "all" ? ["all proxies"] : targets.names;
}

/** @param listen the address that it got */
export function describeCreation({ protocol, upstreams }: ScenarioProxy, listen: string): string {
  return `create ${protocol} proxy ${listen} → ${upstreams.join(", ")}`;
}

function describeRamp({ toxic, attribute, from, to, over }: Ramp): string {
  return `ramp ${toxic}.${attribute} ${from}→${to} over ${formatDuration(over)}`;
}

function describeToxic({ name, type, stream, toxicity, attributes }: ToxicSettings): string {
  const share = toxicity === 1 ? {} : { toxicity };
  return `toxic ${name} (${type}, ${stream})${describeChange({ ...share, attributes })}`;
}

function describeChange({ toxicity, attributes = {} }: ToxicChange): string {
  const all: Attributes = { ...attributes, ...(toxicity === undefined ? {} : { toxicity }) };
  return Object.entries(all)
    .map(([name, value]) => ` ${name}=${value}`)
    .join("");
}
