import assert from "node:assert/strict";
import { test } from "node:test";
import { builtinToxics } from "./index.ts";
import { type ToxicTraits, testToxic } from "./toxic.contract.ts";

/** Milliseconds in which nothing here falls due. */
const NEVER = 1_000_000_000;

/** Every toxic that comes along, as the contract tries it. */
const tried: Readonly<Record<string, ToxicTraits>> = {
  latency: {
    attributes: { latency: 100, jitter: 80 },
    others: { latency: 20, jitter: 0 },
    holds: true,
    isRandom: true,
  },
  bandwidth: {
    attributes: { rate: 20 },
    others: { rate: 0, bytes_per_second: 70_000, shared: true },
    holds: true,
    isRandom: false,
  },
  slow_close: { attributes: { delay: 500 }, others: { delay: 5 }, holds: false, isRandom: false },
  timeout: {
    attributes: { timeout: NEVER },
    others: { timeout: 0 },
    isIntact: false,
    holds: false,
    isRandom: false,
  },
  reset_peer: {
    attributes: { timeout: NEVER },
    others: { timeout: NEVER + 1 },
    passesEnd: false,
    keepsAll: true,
    holds: true,
    isRandom: false,
  },
  slicer: {
    attributes: { average_size: 100, size_variation: 50, delay: 300 },
    others: { average_size: 0, size_variation: 0, delay: 10 },
    holds: true,
    isRandom: true,
  },
  limit_data: { attributes: { bytes: NEVER }, others: { bytes: NEVER / 2 }, holds: false, isRandom: false },
  packet_loss: {
    attributes: { loss_rate: 0.3, correlation: 0.2 },
    others: { loss_rate: 0.9, correlation: 0 },
    isIntact: false,
    holds: false,
    isRandom: true,
  },
  noop: { attributes: {}, others: {}, holds: false, isRandom: false },
  down: { attributes: { keep: true }, others: { keep: true }, holds: false, isRandom: false },
  blackhole: {
    attributes: {},
    others: {},
    isIntact: false,
    passesEnd: false,
    holds: false,
    isRandom: false,
  },
  connect_delay: {
    attributes: { delay: 50, jitter: 20 },
    others: { delay: 10, jitter: 0 },
    holds: false,
    isRandom: false,
  },
  idle_timeout: {
    attributes: { timeout: NEVER },
    others: { timeout: 0 },
    holds: false,
    isRandom: false,
  },
  corrupt: {
    attributes: { rate: 0.01 },
    others: { rate: 0, bit_rate: 0.01 },
    isIntact: false,
    holds: false,
    isRandom: true,
  },
  duplicate: {
    attributes: { rate: 0.5 },
    others: { rate: 0.1 },
    isIntact: false,
    holds: false,
    isRandom: true,
  },
  reorder: {
    attributes: { rate: 0.5, distance: 2, wait: 60 },
    others: { rate: 0.1, distance: 1, wait: 1 },
    isIntact: false,
    holds: true,
    isRandom: true,
  },
};

for (const type of builtinToxics) {
  const traits = tried[type.name];
  if (traits !== undefined) testToxic(type, traits);
}

test("every toxic keeps the contract", () => {
  const names = builtinToxics.map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => !(name in tried)),
    [],
  );
});
