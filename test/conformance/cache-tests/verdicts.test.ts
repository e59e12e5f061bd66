import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestCase } from "./catalogue.ts";
import { byTest, summary } from "./table.ts";
import { bestOf, judge, missed, passed } from "./verdicts.ts";

const testCase = (id: string, kind: TestCase["kind"], dependsOn: readonly string[] = []): TestCase => ({
  ...{ id, kind, dependsOn, name: `must ${id}`, group: "one" },
});
const tests = [
  testCase("first", "optimal"),
  testCase("second", "required", ["first"]),
  testCase("third", "required", ["second"]),
  testCase("fourth", "check"),
];
const proxy = { proxy: "one", version: "1.2" };

test("a test passes only when those pass that it depends on, however far", () => {
  const good = judge(proxy, tests, { first: true, second: true, third: true, fourth: true });
  assert.equal(passed(good, tests, "required").length, 2);
  const bad = judge(proxy, tests, { first: ["Assertion", "no"], second: true, third: true, fourth: true });
  assert.deepEqual([...bad.outcomes.values()], ["fail", "dependency", "dependency", "pass"]);
  assert.deepEqual(
    missed(bad, tests, "required").map(({ id }) => id),
    ["second", "third"],
  );
});

test("what kept a test from being done is no failure of its own", () => {
  const { outcomes, complaints } = judge(proxy, tests, {
    first: ["Setup", "retry"],
    second: ["Setup", "status is 500"],
    fourth: ["AbortError", "it took too long"],
  });
  assert.deepEqual([...outcomes.values()], ["retry", "dependency", "untested", "timeout"]);
  assert.equal(complaints.get("second"), "status is 500");
});

test("of several runs what passed once has passed", () => {
  const best = bestOf([
    { first: true, second: ["Assertion", "no"] },
    { first: ["Setup", "no"], second: ["Assertion", "no"] },
  ]);
  assert.deepEqual(best, { first: true, second: ["Assertion", "no"] });
});

test("tables stand side by side, by test", () => {
  const one = judge(proxy, tests, { first: true, second: true });
  const two = judge({ proxy: "two", version: "3" }, tests, { first: ["Assertion", "no"], second: true });
  assert.equal(byTest([one, two], tests, "required").split("\n")[2], "| second | yes | - |");
  assert.match(summary([one, two], tests), /\| one \| 1\.2 \| 1 \| 1 \| 0 \|\n\| two \| 3 \| 0 \| 0 \| 0 \|/);
});
