import type { Scenario } from "../../config/scenario.ts";
import { planRound, type TimelineEntry, timelineOf } from "../../config/scenario-plan.ts";
import type { PlayEvent } from "../../control/scenario-events.ts";
import {
  describeAction,
  describeCreation,
  describeTargets,
  describeUndo,
  describeValue,
} from "../../control/scenario-text.ts";

/** Rounds that are told of; those of a longer play are all alike but for what is drawn. */
const MOST_ROUNDS = 10;

/** What a play would do if nothing failed. All times are counted from the start of the first round. */
export function rehearse(scenario: Scenario, seed: string): PlayEvent[] {
  const { proxies, repeat } = scenario;
  const events = proxies.map((proxy): PlayEvent => {
    const text = describeCreation(proxy, proxy.listen);
    return { kind: "create", round: 0, at: 0, step: 0, proxies: [proxy.name], text };
  });
  let at = 0;
  let round = 0;
  while (round < Math.min(repeat, MOST_ROUNDS)) {
    round++;
    const plan = planRound(scenario, seed, round);
    if (repeat > 1) events.push({ kind: "round", round, at, step: 0, proxies: [], text: `round ${round}` });
    for (const entry of timelineOf(plan)) events.push(...toEvents(entry, round, at));
    at += plan.length;
  }
  if (repeat > round)
    return [...events, { kind: "round", round, at, step: 0, proxies: [], text: "and so on" }];
  const removed = proxies.toReversed().map(({ name }): PlayEvent => {
    return { kind: "remove", round, at, step: 0, proxies: [name], text: "remove" };
  });
  return [...events, ...removed];
}

function toEvents({ at, kind, planned }: TimelineEntry, round: number, offset: number): PlayEvent[] {
  const { index, step, targets } = planned;
  const { action, log } = step;
  const about = { round, at: offset + at, step: index + 1, proxies: [] };
  const logged: PlayEvent[] = kind === "step" && log !== "" ? [{ ...about, kind: "log", text: log }] : [];
  if (action === null) return logged;
  const proxies = describeTargets(targets);
  if (kind === "arrive" && action.kind === "ramp")
    return [{ ...about, kind, proxies, text: describeValue(action.ramp, action.ramp.to) }];
  const text = kind === "undo" ? describeUndo(action) : describeAction(action);
  return [...logged, { ...about, kind, proxies, text }];
}
