import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { LinkRig } from "../../test/kit/link-rig.ts";
import { ALLOW, type Mode } from "./mode.ts";
import { applyMode, formatMode, isModeToxic, parseMode } from "./modes.ts";

describe("a mode, written", () => {
  const cases: readonly [text: string, mode: Mode, shortest?: string][] = [
    ["allow", { kind: "allow" }],
    ["  ALLOW ", { kind: "allow" }, "allow"],
    ["deny", { kind: "deny", cut: false }],
    ["deny cut", { kind: "deny", cut: true }],
    ["deny --cut", { kind: "deny", cut: true }, "deny cut"],
    ["latency 100", { kind: "latency", latency: 100, jitter: 0, stream: "both" }],
    ["latency 100±20", { kind: "latency", latency: 100, jitter: 20, stream: "both" }],
    ["latency 100+-20", { kind: "latency", latency: 100, jitter: 20, stream: "both" }, "latency 100±20"],
    ["latency 100 +/- 20", { kind: "latency", latency: 100, jitter: 20, stream: "both" }, "latency 100±20"],
    [
      "latency 1.5s±200ms",
      { kind: "latency", latency: 1500, jitter: 200, stream: "both" },
      "latency 1500±200",
    ],
    ["latency 1±0.2s", { kind: "latency", latency: 1000, jitter: 200, stream: "both" }, "latency 1000±200"],
    ["latency 100±20 upstream", { kind: "latency", latency: 100, jitter: 20, stream: "upstream" }],
    [
      "Latency 100 Downstream",
      { kind: "latency", latency: 100, jitter: 0, stream: "downstream" },
      "latency 100 downstream",
    ],
    ["timeout 500", { kind: "timeout", timeout: 500, stream: "both" }],
    ["timeout 2s both", { kind: "timeout", timeout: 2000, stream: "both" }, "timeout 2000"],
    ["throttle 250", { kind: "throttle", rate: 250, stream: "both" }],
    ["throttle 10k", { kind: "throttle", rate: 10_000, stream: "both" }],
    ["throttle 1.5M", { kind: "throttle", rate: 1_500_000, stream: "both" }],
    ["throttle 1234567 downstream", { kind: "throttle", rate: 1_234_567, stream: "downstream" }],
    ["throttle 12.5kB/s", { kind: "throttle", rate: 12_500, stream: "both" }, "throttle 12.5k"],
    ["throttle 2G", { kind: "throttle", rate: 2_000_000_000, stream: "both" }],
  ];
  for (const [text, mode, shortest = text] of cases) {
    test(`is ${text}`, () => {
      assert.deepEqual(parseMode(text), mode);
      assert.equal(formatMode(mode), shortest);
      assert.deepEqual(parseMode(shortest), mode);
    });
  }

  const wrong: readonly [text: string, message: string][] = [
    ["", "expected a mode: allow, deny, latency, timeout, throttle; found nothing"],
    [
      "lateny 100",
      'expected a mode: allow, deny, latency, timeout, throttle; found "lateny", did you mean latency?',
    ],
    ["block", 'expected a mode: allow, deny, latency, timeout, throttle; found "block"'],
    ["allow all", 'expected nothing after allow, found "all"'],
    [
      "deny cu",
      'expected nothing more, or what becomes of running connections: cut; found "cu", did you mean cut?',
    ],
    ["deny cut now", 'expected nothing after deny cut, found "now"'],
    ["latency", "latency needs milliseconds, such as 100 or 100±20"],
    ["latency fast", 'latency needs milliseconds, such as 100 or 100±20; found "fast"'],
    ["latency 100±20±3", 'latency needs milliseconds, such as 100 or 100±20; found "100±20±3"'],
    ["latency -5", 'latency needs milliseconds, such as 100 or 100±20; found "-5"'],
    ["latency 100 up", 'expected a direction: both, upstream, downstream; found "up"'],
    [
      "latency 100 upsteam",
      'expected a direction: both, upstream, downstream; found "upsteam", did you mean upstream?',
    ],
    ["latency 100 upstream too", 'expected nothing after latency 100 upstream, found "too"'],
    ["latency 2000000s", 'latency of "2000000s" is longer than a day'],
    ["timeout", "timeout needs milliseconds, such as 500"],
    ["timeout 0", "timeout must be above 0; allow is the mode without"],
    ["throttle", "throttle needs bytes a second, such as 250, 10k or 1.5M"],
    ["throttle 10x", 'throttle needs bytes a second, such as 250, 10k or 1.5M; found "10x"'],
    ["throttle 0", "throttle must be at least 1 byte a second"],
  ];
  for (const [text, message] of wrong) {
    test(`can't be ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseMode(text), { name: "RangeError", message });
    });
  }

  test("is read as it was written, whichever it is", () => {
    const stream = fc.constantFrom("both" as const, "upstream" as const, "downstream" as const);
    const time = fc.integer({ min: 1, max: 86_400_000 });
    const modes = fc.oneof<fc.Arbitrary<Mode>[]>(
      fc.constant(ALLOW),
      fc.record({ kind: fc.constant("deny" as const), cut: fc.boolean() }),
      fc.record({ kind: fc.constant("latency" as const), latency: time, jitter: fc.nat(1_000_000), stream }),
      fc.record({ kind: fc.constant("timeout" as const), timeout: time, stream }),
      fc.record({
        kind: fc.constant("throttle" as const),
        rate: fc.integer({ min: 1, max: 2 ** 40 }),
        stream,
      }),
    );
    fc.assert(fc.property(modes, (mode) => assert.deepEqual(parseMode(formatMode(mode)), { ...mode })));
  });
});

/** A rig, and how to change its mode. */
function moded(): { rig: LinkRig; set: (text: string) => void } {
  const rig = new LinkRig();
  let now = ALLOW;
  return {
    rig,
    set: (text) => {
      const mode = parseMode(text);
      applyMode(rig.faults, now, mode);
      now = mode;
    },
  };
}

describe("a mode, applied", () => {
  test("lays toxics under names of its own, and takes them away", () => {
    const { rig, set } = moded();
    rig.add("noop");
    for (const text of ["latency 5", "timeout 5", "throttle 5", "deny", "latency 5 upstream", "allow"]) {
      set(text);
      const names = rig.faults.toxics.map(({ name }) => name);
      assert.deepEqual(
        names.filter((name) => !isModeToxic(name)),
        ["noop"],
      );
      const [word = "", , stream] = text.split(" ");
      const expected = word === "allow" ? 0 : word === "deny" || stream !== undefined ? 1 : 2;
      assert.equal(names.length - 1, expected, text);
    }
  });

  test("latency delays both ways, or the one that is asked for", () => {
    const { rig, set } = moded();
    const connection = rig.open();
    set("latency 100");
    connection.push("up", "upstream");
    connection.push("down");
    rig.clock.advance(100);
    set("latency 100 upstream");
    connection.push("up", "upstream");
    connection.push("down");
    rig.clock.advance(100);
    assert.deepEqual(
      [connection.upstream.times, connection.downstream.times],
      [
        [100, 200],
        [100, 100],
      ],
    );
  });

  test("changes in place what waits in it", () => {
    const { rig, set } = moded();
    const connection = rig.open();
    set("latency 10000");
    connection.push("x");
    rig.clock.advance(100);
    set("latency 200±0");
    rig.clock.advance(1000);
    assert.deepEqual(connection.downstream.times, [200]);
  });

  test("lets nothing that the old one held get past the new one", () => {
    const { rig, set } = moded();
    const connection = rig.open();
    set("latency 10000");
    connection.push("x".repeat(1000));
    set("throttle 1000");
    assert.equal(connection.downstream.bytes.length, 0);
    rig.clock.advance(500);
    assert.equal(connection.downstream.bytes.length, 500);
    set("latency 30");
    assert.equal(connection.downstream.bytes.length, 500);
    rig.clock.advance(30);
    assert.equal(connection.downstream.bytes.length, 1000);
    connection.push("y");
    set("allow");
    assert.equal(connection.downstream.bytes.length, 1001);
    assert.ok(connection.link().isClear);
  });

  test("deny refuses who comes, and cuts who is there only if asked to", () => {
    const { rig, set } = moded();
    const connection = rig.open();
    set("deny");
    assert.deepEqual(rig.faults.admit(), { refuse: true, delay: 0 });
    connection.push("x");
    assert.deepEqual([connection.downstream.text, connection.downstream.events], ["x", []]);
    set("deny cut");
    assert.deepEqual(connection.downstream.events, ["reset by mode/deny"]);
    set("allow");
    assert.deepEqual(rig.faults.admit(), { refuse: false, delay: 0 });
  });

  test("timeout closes where a direction has brought nothing for that long", () => {
    const { rig, set } = moded();
    const connection = rig.open();
    set("timeout 100");
    for (let i = 0; i < 5; i++) {
      rig.clock.advance(60);
      connection.push("x", "upstream");
    }
    assert.deepEqual(connection.downstream.events, ["closed by mode/timeout/downstream"]);
  });

  test("throttle goes by bytes per second, for each connection and direction", () => {
    const { rig, set } = moded();
    const connections = [rig.open(), rig.open()];
    set("throttle 1.5k");
    for (const connection of connections) {
      connection.push("x".repeat(10_000));
      connection.push("x".repeat(10_000), "upstream");
    }
    rig.clock.advance(1000);
    for (const { upstream, downstream } of connections) {
      assert.ok(Math.abs(upstream.bytes.length - 1500) <= 15);
      assert.ok(Math.abs(downstream.bytes.length - 1500) <= 15);
    }
  });
});
