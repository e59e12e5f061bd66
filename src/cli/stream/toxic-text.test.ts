import assert from "node:assert/strict";
import { test } from "node:test";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { parseToxic } from "./toxic-text.ts";

const registry = createRegistry();

test("a type is enough", () => {
  assert.deepEqual(parseToxic("noop", registry), {
    ...{ name: "noop_downstream", type: "noop", stream: "downstream", toxicity: 1, attributes: {} },
  });
});

test("attributes, direction, toxicity and name come in any order", () => {
  const expected = {
    ...{ name: "slow", type: "latency", stream: "upstream", toxicity: 0.5 },
    attributes: { latency: 100, jitter: 20 },
  };
  const texts = [
    "latency latency=100 jitter=20 upstream toxicity=0.5 name=slow",
    "  latency   upstream name=slow toxicity=.5 jitter=20 latency=0.1s ",
  ];
  for (const text of texts) assert.deepEqual(parseToxic(text, registry), expected);
});

test("the usual name tells type and direction", () => {
  assert.equal(parseToxic("limit_data bytes=64k upstream", registry).name, "limit_data_upstream");
});

test("true and false are no text", () => {
  assert.deepEqual(parseToxic("bandwidth rate=10 shared=true", registry).attributes, {
    rate: 10,
    shared: true,
  });
});

const WRONG: readonly (readonly [text: string, message: RegExp])[] = [
  ["", /^There is no toxic "": there are latency, /],
  ["latncy", /did you mean latency\?/],
  ["latency latncy=5", /"latncy" is no attribute of latency; did you mean latency\?/],
  ["latency latency=fast", /^latency: found "fast".*; expected a whole number, in ms/],
  ["latency latency=-1", /^latency: .*must be at least 0/],
  ["latency latency", /"latency": expected key=value, upstream or downstream/],
  ["latency latency=", /expected key=value/],
  ["latency sideways", /"sideways": expected key=value/],
  ["latency toxicity=2", /"2": expected a share from 0 to 1/],
  ["latency toxicity=x", /"x": expected a share from 0 to 1/],
  ["bandwidth shared=maybe", /^shared: .*expected true or false/],
];

for (const [text, message] of WRONG) {
  test(`${JSON.stringify(text)} is refused`, () => {
    assert.throws(() => parseToxic(text, registry), { message });
  });
}
