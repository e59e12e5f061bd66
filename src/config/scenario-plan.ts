import { type Random, seededRandom } from "../base/random.ts";
import type { Scenario, ScenarioStep, Targets, TimeSpan } from "./scenario.ts";

/** A step of one round, with everything drawn that was left to chance. Times in milliseconds from the round's start. */
export interface PlannedStep {
  /** Its place in the scenario, 0 for the first. */
  readonly index: number;
  readonly step: ScenarioStep;
  readonly start: number;
  /** When it is undone, `Infinity` when it stays. */
  readonly undo: number;
  /** Never `oneOf`. */
  readonly targets: Targets;
}

export interface RoundPlan {
  /** In the order of the file. */
  readonly steps: readonly PlannedStep[];
  /** When the last step is over. */
  readonly length: number;
}

/**
 * What a round does, and when. The same seed plans the same rounds; each step draws for itself, so that a change of one
 * leaves the others as they were.
 * @param round 1 for the first
 */
export function planRound({ steps }: Scenario, seed: string, round: number): RoundPlan {
  const planned: PlannedStep[] = [];
  let previousEnd = 0;
  let length = 0;
  for (const [index, step] of steps.entries()) {
    const random = seededRandom(`${seed}/scenario/${round}/${index}`);
    const start = (step.from === "start" ? 0 : previousEnd) + draw(step.time, random);
    const undo = step.lasts === null ? Number.POSITIVE_INFINITY : start + draw(step.lasts, random);
    planned.push({ index, step, start, undo, targets: drawTargets(step.targets, random) });
    previousEnd = undo === Number.POSITIVE_INFINITY ? start + durationOf(step) : undo;
    length = Math.max(length, previousEnd);
  }
  return { steps: planned, length };
}

function durationOf({ action }: ScenarioStep): number {
  return action?.kind === "ramp" ? action.ramp.over : 0;
}

/** Uniform within the spread, in whole milliseconds. */
function draw({ milliseconds, spread }: TimeSpan, random: Random): number {
  return Math.round(milliseconds + (random.next() * 2 - 1) * spread);
}

function drawTargets(targets: Targets, random: Random): Targets {
  if (targets.kind !== "oneOf") return targets;
  const { names } = targets;
  return { kind: "named", names: [names[Math.floor(random.next() * names.length)]!] };
}

/** True when the seed makes a difference. */
export function isDrawn({ steps }: Scenario): boolean {
  return steps.some(({ time, lasts, targets }) => {
    return time.spread > 0 || (lasts?.spread ?? 0) > 0 || targets.kind === "oneOf";
  });
}

/** One line of a round's timeline. */
export interface TimelineEntry {
  readonly at: number;
  readonly kind: "step" | "arrive" | "undo";
  readonly planned: PlannedStep;
}

/** What happens in a round, in the order in which it happens: at one time, undoing comes first. */
export function timelineOf({ steps }: RoundPlan): TimelineEntry[] {
  const entries = steps.flatMap((planned): TimelineEntry[] => {
    const { step, start, undo } = planned;
    const arrive = step.action?.kind === "ramp" ? [start + step.action.ramp.over] : [];
    return [
      { at: start, kind: "step", planned },
      ...arrive.map((at): TimelineEntry => ({ at, kind: "arrive", planned })),
      ...(undo === Number.POSITIVE_INFINITY ? [] : [{ at: undo, kind: "undo", planned } as const]),
    ];
  });
  return entries.sort((a, b) => a.at - b.at || ORDER[a.kind] - ORDER[b.kind]);
}

const ORDER = { arrive: 0, undo: 1, step: 2 } as const;
