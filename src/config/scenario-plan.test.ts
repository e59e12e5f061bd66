import assert from "node:assert/strict";
import { test } from "node:test";
import { createRegistry } from "../chaos/toxics/index.ts";
import { parseScenario } from "./load-scenario.ts";
import type { Scenario } from "./scenario.ts";
import { isDrawn, planRound, timelineOf } from "./scenario-plan.ts";

function parse(steps: string): Scenario {
  return parseScenario(`steps:\n${steps}`, "x.yaml", {}, createRegistry());
}

test("after counts from the end of the step before, at from the start", () => {
  const scenario = parse(`
  - { at: 10s, proxy: db, cut: true }
  - { after: 5s, proxy: db, mode: deny, for: 3s }
  - { proxy: db, ramp: latency 0→5 over 4s }
  - { after: 1s, proxy: db, ramp: latency 0→5 over 4s, for: 10s }
  - { after: 1s, log: end }
  - { at: 1s, proxy: db, cut: true }
  - { after: 500ms, proxy: db, cut: true }
`);
  const { steps, length } = planRound(scenario, "", 1);
  assert.deepEqual(
    steps.map(({ start, undo }) => [start, undo]),
    [
      [10_000, Number.POSITIVE_INFINITY],
      [15_000, 18_000],
      [18_000, Number.POSITIVE_INFINITY],
      [23_000, 33_000],
      [34_000, Number.POSITIVE_INFINITY],
      [1000, Number.POSITIVE_INFINITY],
      [1500, Number.POSITIVE_INFINITY],
    ],
  );
  assert.equal(length, 34_000);
  assert.equal(isDrawn(scenario), false);
});

test("the timeline is in the order of time, what ends before what begins", () => {
  const scenario = parse(`
  - { at: 2s, proxy: db, cut: true }
  - { at: 0s, proxy: db, ramp: latency 0→5 over 2s, for: 2s }
  - { after: 0s, proxy: db, mode: deny, for: 1s }
`);
  assert.deepEqual(
    timelineOf(planRound(scenario, "", 1)).map(({ at, kind, planned }) => [at, kind, planned.index]),
    [
      [0, "step", 1],
      [2000, "arrive", 1],
      [2000, "undo", 1],
      [2000, "step", 0],
      [2000, "step", 2],
      [3000, "undo", 2],
    ],
  );
});

const DRAWN = `
  - { at: 10s±2s, proxy: { one_of: [a, b, c] }, mode: deny, for: 4s±1s }
  - { at: 20s±500ms, proxy: { one_of: [a, b, c] }, cut: true }
`;

test("the same seed draws the same round, another seed or round another one", () => {
  const scenario = parse(DRAWN);
  assert.equal(isDrawn(scenario), true);
  assert.deepEqual(planRound(scenario, "a", 3), planRound(scenario, "a", 3));
  assert.notDeepEqual(planRound(scenario, "a", 3), planRound(scenario, "b", 3));
  assert.notDeepEqual(planRound(scenario, "a", 3), planRound(scenario, "a", 4));
});

test("a step draws the same when another one changes", () => {
  const [, before] = planRound(parse(DRAWN), "a", 1).steps;
  const [, after] = planRound(parse(DRAWN.replace("10s±2s", "10s").replace("a, b, c", "a, b")), "a", 1).steps;
  assert.equal(after?.start, before?.start);
  assert.deepEqual(after?.targets, before?.targets);
});

test("times are drawn evenly within their spread, proxies evenly among them", () => {
  const scenario = parse(DRAWN);
  const rounds = Array.from({ length: 3000 }, (_, i) => planRound(scenario, "seed", i + 1).steps[0]!);
  const starts = rounds.map(({ start }) => start);
  assert.ok(starts.every((start) => start >= 8000 && start <= 12_000 && Number.isInteger(start)));
  const mean = starts.reduce((sum, start) => sum + start, 0) / starts.length;
  assert.ok(Math.abs(mean - 10_000) < 100, String(mean));
  assert.ok(Math.min(...starts) < 8100 && Math.max(...starts) > 11_900);
  const chosen = rounds.map(({ targets }) => (targets.kind === "named" ? targets.names.join() : ""));
  for (const name of ["a", "b", "c"]) {
    const share = chosen.filter((one) => one === name).length / chosen.length;
    assert.ok(Math.abs(share - 1 / 3) < 0.04, `${name}: ${share}`);
  }
});
