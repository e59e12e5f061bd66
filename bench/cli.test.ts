import assert from "node:assert/strict";
import { test } from "node:test";
import { chosen, parseOptions } from "./cli.ts";

test("options have their defaults", () => {
  const { seconds, rounds, threads, peers } = parseOptions([]);
  assert.deepEqual([seconds, rounds, threads, peers], [5, 5, 1, undefined]);
});

test("names are separated by commas", () => {
  const { peers, workloads } = parseOptions(["--peers", "nginx, sluice,", "--workloads=small"]);
  assert.deepEqual(peers, ["nginx", "sluice"]);
  assert.deepEqual(workloads, ["small"]);
});

test("what is chosen keeps the order of the list", () => {
  const all = [{ name: "a" }, { name: "b" }, { name: "c" }];
  assert.deepEqual(chosen("peer", all, ["c", "a"]), [{ name: "a" }, { name: "c" }]);
  assert.equal(chosen("peer", all, undefined), all);
  assert.throws(() => chosen("peer", all, ["d"]), /unknown peer d; there are a, b, c/);
});
