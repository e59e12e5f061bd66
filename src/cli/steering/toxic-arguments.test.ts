import assert from "node:assert/strict";
import { test } from "node:test";
import { ClientFailure } from "./client-command.ts";
import { attributesOf, streamOf, toxicityOf } from "./toxic-arguments.ts";

test("a toxic is downstream unless it is told otherwise", () => {
  assert.equal(streamOf({}), "downstream");
  assert.equal(streamOf({ downstream: true }), "downstream");
  assert.equal(streamOf({ upstream: true }), "upstream");
  const both = new ClientFailure("Only one should be specified: upstream or downstream.");
  assert.throws(() => streamOf({ upstream: true, downstream: true }), both);
});

test("toxicity is a share, and all of it unless something is said", () => {
  assert.equal(toxicityOf({}), 1);
  assert.equal(toxicityOf({ tox: "0.25" }), 0.25);
  assert.equal(toxicityOf({ toxicity: "0" }), 0);
  for (const toxicity of ["2", "-0.1", "x", " ", "Infinity"])
    assert.throws(
      () => toxicityOf({ toxicity }),
      new ClientFailure("toxicity should be a float between 0 and 1."),
    );
});

test("attributes are numbers, switches or text", () => {
  const attribute = ["latency=100", "rate=1.5", "shared=true", "off=false", "text=a=b", "empty=", "word=x1"];
  assert.deepEqual(attributesOf({ attribute }), {
    latency: 100,
    rate: 1.5,
    shared: true,
    off: false,
    text: "a=b",
    empty: "",
    word: "x1",
  });
  assert.deepEqual(attributesOf({}), {});
  assert.throws(
    () => attributesOf({ attribute: ["x"] }),
    new ClientFailure("attribute x should be key=value."),
  );
});
