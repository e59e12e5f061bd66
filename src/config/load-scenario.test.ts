import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { testComplaints } from "../../test/kit/golden-complaints.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import { loadScenario, parseScenario } from "./load-scenario.ts";
import type { Ramp, Scenario, ScenarioStep } from "./scenario.ts";

const folder = join(import.meta.dirname, "testdata/scenario-errors");
const registry = createRegistry();

function parse(text: string, env: Readonly<Record<string, string>> = {}): Scenario {
  return parseScenario(text, "folder/slow.yaml", env, registry);
}

/** The only step of a scenario. */
function step(text: string): ScenarioStep {
  return parse(`steps: [{ proxy: db, ${text} }]`).steps[0]!;
}

function ramp(line: string): Ramp {
  const { action } = step(`ramp: ${line}`);
  assert.ok(action?.kind === "ramp");
  return action.ramp;
}

testComplaints(folder, (text, name) => parseScenario(text, name, {}, registry));

test("a file that can't be read is named", () => {
  assert.throws(() => loadScenario("/no/such/file.yaml", {}, registry), {
    message: "/no/such/file.yaml: there is no such file",
  });
});

test("what isn't said has defaults", () => {
  assert.deepEqual(parse("proxies: [{ name: db, upstream: 5432 }]\nsteps:\n  - cut: true\n"), {
    name: "slow",
    seed: null,
    repeat: 1,
    proxies: [
      {
        ...{ name: "db", protocol: "tcp", listen: "127.0.0.1:0", upstreams: ["127.0.0.1:5432"] },
        ...{ enabled: true, toxics: [], mode: { kind: "allow" } },
      },
    ],
    steps: [
      {
        ...{ line: 3, from: "previous", time: { milliseconds: 0, spread: 0 }, lasts: null },
        ...{ targets: { kind: "named", names: ["db"] }, action: { kind: "cut" }, log: "" },
      },
    ],
  });
});

test("what is said is kept", () => {
  const text = `
name: all
seed: 42
repeat: forever
proxies:
  - name: db
    protocol: udp
    listen: :\${PORT}
    upstream: [5432, "db2:5432"]
    enabled: false
    mode: throttle 10k upstream
    toxics: [{ type: latency, stream: upstream, toxicity: 0.5, attributes: { latency: 1.5s } }]
steps:
  - { at: 1m, log: hello }
  - { after: 2, proxy: all, enable: true, for: 10s ± 500ms }
`;
  const { proxies, steps, ...rest } = parse(text, { PORT: "99" });
  assert.deepEqual(rest, { name: "all", seed: "42", repeat: Number.POSITIVE_INFINITY });
  assert.deepEqual(proxies[0], {
    ...{ name: "db", protocol: "udp", listen: ":99", upstreams: ["127.0.0.1:5432", "db2:5432"] },
    enabled: false,
    mode: { kind: "throttle", rate: 10_000, stream: "upstream" },
    toxics: [
      {
        ...{ type: "latency", name: "latency_upstream", stream: "upstream", toxicity: 0.5 },
        attributes: { latency: 1500 },
      },
    ],
  });
  assert.deepEqual(steps[0]?.time, { milliseconds: 60_000, spread: 0 });
  assert.deepEqual(steps[1]?.time, { milliseconds: 2000, spread: 0 });
  assert.deepEqual(steps[1]?.lasts, { milliseconds: 10_000, spread: 500 });
  assert.deepEqual(steps[1]?.targets, { kind: "all" });
});

test("targets are names, all, or one of several", () => {
  const targets = (value: string): unknown =>
    parse(`steps: [{ proxy: ${value}, cut: true }]`).steps[0]?.targets;
  assert.deepEqual(targets("db"), { kind: "named", names: ["db"] });
  assert.deepEqual(targets("[db, cache, db]"), { kind: "named", names: ["db", "cache"] });
  assert.deepEqual(targets("[all]"), { kind: "named", names: ["all"] });
  assert.deepEqual(targets("{ one_of: [a, b] }"), { kind: "oneOf", names: ["a", "b"] });
});

describe("attributes", () => {
  const cases = [
    ["latency", "latency: 1.5s", { latency: 1500 }],
    ["latency", "latency: 0.3s", { latency: 300 }],
    ["latency", 'latency: "7"', { latency: 7 }],
    ["bandwidth", "rate: 2MB/s, shared: true", { rate: 2000, shared: true }],
    ["slicer", "average_size: 64k, delay: 2 ms", { average_size: 65_536, delay: 2000 }],
    ["packet_loss", "loss_rate: 0.25", { loss_rate: 0.25 }],
  ] as const;
  for (const [type, written, read] of cases) {
    test(`${type} with ${written}`, () => {
      const { action } = step(`toxic: { type: ${type}, attributes: { ${written} } }`);
      assert.ok(action?.kind === "addToxic");
      assert.deepEqual(action.toxic.attributes, read);
    });
  }

  test("of updates are those of the toxic's type, where it is known", () => {
    const text = `
steps:
  - { proxy: db, toxic: { type: slicer, name: cut-up } }
  - { proxy: db, update: { toxic: cut-up, attributes: { delay: 1ms } } }
  - { proxy: db, update: { toxic: slow_close_upstream, attributes: { delay: 1s }, toxicity: 0 } }
`;
    const [, second, third] = parse(text).steps;
    assert.deepEqual(second?.action, {
      kind: "updateToxic",
      toxic: "cut-up",
      change: { attributes: { delay: 1000 } },
    });
    assert.deepEqual(third?.action, {
      kind: "updateToxic",
      toxic: "slow_close_upstream",
      change: { toxicity: 0, attributes: { delay: 1000 } },
    });
  });

  test("of one's own toxics are taken as they are", () => {
    const text = `
own_toxics: [flaky]
steps:
  - { proxy: db, toxic: { type: flaky, attributes: { often: 3.5, how: badly } } }
  - { proxy: db, ramp: flaky.often 0→1 over 1s }
  - { proxy: db, update: { toxic: whatever, attributes: { often: 1 } } }
`;
    const [add, ramped] = parse(text).steps;
    assert.ok(add?.action?.kind === "addToxic");
    assert.deepEqual(add.action.toxic.attributes, { often: 3.5, how: "badly" });
    assert.ok(ramped?.action?.kind === "ramp");
    assert.equal(ramped.action.ramp.isWhole, false);
    assert.equal(ramped.action.ramp.adds?.type, "flaky");
  });
});

describe("ramps", () => {
  const latency = {
    ...{ toxic: "latency", attribute: "latency", from: 0, to: 400, over: 30_000, steps: 120, isWhole: true },
    adds: {
      ...{ type: "latency", name: "latency_downstream", stream: "downstream", toxicity: 1 },
      attributes: {},
    },
  };
  const same = [
    "latency 0→400ms over 30s",
    "latency 0 -> 400 ms over 30s",
    "latency 0ms→0.4s over 30s",
    "latency.latency downstream 0→400 over 0.5m",
    "latency 0→400ms over 30s every 250ms",
    "latency 0→400ms over 30s in 120 steps",
    "{ toxic: latency, from: 0, to: 400ms, over: 30s }",
    "{ toxic: latency, attribute: latency, stream: downstream, from: 0, to: 400, over: 30, steps: 120 }",
  ];
  for (const line of same) test(line, () => assert.deepEqual(ramp(line), latency));

  test("of a toxic that must be there", () => {
    assert.deepEqual(ramp("slow.jitter 1s→0 over 1s every 400ms"), {
      ...{ toxic: "slow", adds: null, attribute: "jitter", from: 1000, to: 0, over: 1000, steps: 3 },
      isWhole: true,
    });
  });

  test("of the toxicity", () => {
    const { attribute, from, to, isWhole } = ramp("latency.toxicity 0→1 over 1s");
    assert.deepEqual([attribute, from, to, isWhole], ["toxicity", 0, 1, false]);
  });

  test("of fractions, and upstream", () => {
    const { isWhole, adds, to } = ramp("packet_loss upstream 0→0.5 over 1s");
    assert.deepEqual([isWhole, adds?.name, to], [false, "packet_loss_upstream", 0.5]);
  });
});
