import assert from "node:assert/strict";
import { test } from "node:test";
import { stage } from "../../../test/kit/scenario-stage.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { parseScenario } from "../../config/load-scenario.ts";
import { rehearse } from "./dry-run.ts";

const TEXT = `
proxies: [{ name: own, upstream: 5432, listen: ":7000" }]
steps:
  - { log: now, at: 1s }
  - { proxy: [own, db], mode: latency 5, for: 1s±500ms, log: slow }
  - { proxy: { one_of: [own, db] }, ramp: latency 0→50ms over 2s in 2 steps, for: 3s }
  - { after: 0s, proxy: db, cut: true }
`;

test("a rehearsal tells what a play with the same seed does", async () => {
  const play = await stage("db");
  await play.begin(TEXT, { seed: "s" });
  await play.pass(20_000, 1);
  const scenario = parseScenario(TEXT, "x.yaml", {}, createRegistry());
  const rehearsed = rehearse(scenario, "s").map(({ round: _, ...event }) => event);
  const played = play.events.filter(({ kind }) => kind !== "value").map(({ round: _, ...event }) => event);
  assert.deepEqual(rehearsed, played);
});

test("rounds follow each other, with times from the start of the first", () => {
  const text = (repeat: string): string =>
    `repeat: ${repeat}\nsteps: [{ at: 1s, proxy: all, mode: deny, for: 1s }]`;
  const told = (repeat: string): readonly string[] => {
    const scenario = parseScenario(text(repeat), "x.yaml", {}, createRegistry());
    return rehearse(scenario, "").map((event) => `${event.at} ${event.proxies.join()} ${event.text}`);
  };
  assert.deepEqual(told("2"), [
    "0  round 1",
    "1000 all proxies mode deny",
    "2000 all proxies undo: mode deny",
    "2000  round 2",
    "3000 all proxies mode deny",
    "4000 all proxies undo: mode deny",
  ]);
  assert.equal(told("10").length, 30);
  assert.deepEqual(told("11").slice(-1), ["20000  and so on"]);
  assert.deepEqual(told("forever"), told("11"));
});
