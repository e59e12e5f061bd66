import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { render } from "ink";
import { createElement as h } from "react";
import { until } from "../../../test/kit/deadline.ts";
import { connectionState, FakeSteering } from "../../../test/kit/fake-steering.ts";
import { FakeTerminal, Key } from "../../../test/kit/fake-terminal.ts";
import { threadAlarms } from "../../base/alarms.ts";
import { SteeringError } from "../../control/steering.ts";
import { Controls } from "../controls.ts";
import { createPalette } from "../palette.ts";
import { Watch } from "../watch.ts";
import { Application } from "./application.ts";

interface Shown extends Disposable {
  readonly steering: FakeSteering;
  readonly terminal: FakeTerminal;
  readonly quits: () => number;
  /** Waits until the screen shows all of these. */
  shows(...texts: readonly string[]): Promise<void>;
  /** Types keys one after the other. */
  type(...keys: readonly string[]): void;
  /** Waits until the last order is this one. */
  ordered(order: string): Promise<void>;
}

function show(steering: FakeSteering = new FakeSteering({ name: "tcp" }), columns = 80, rows = 24): Shown {
  const terminal = new FakeTerminal(columns, rows);
  let quits = 0;
  const watch = new Watch({ steering, proxy: "tcp", clock: threadAlarms });
  const controls = new Controls(watch, () => quits++);
  const { stdin, stdout } = terminal;
  const application = h(Application, { watch, controls, palette: createPalette(true) });
  // Ink's debug mode writes every frame as a whole.
  const instance = render(application, {
    stdin,
    stdout,
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  });
  const see = (...texts: readonly string[]): boolean => texts.every((text) => terminal.screen.includes(text));
  return {
    steering,
    terminal,
    quits: () => quits,
    async shows(...texts) {
      await until(`the screen shows ${texts.join(", ")}:\n${terminal.screen}`, () => see(...texts)).catch(
        () => {
          assert.fail(`${texts.join(", ")} is not on the screen:\n${terminal.screen}`);
        },
      );
    },
    type(...keys) {
      for (const key of keys) terminal.type(key);
    },
    async ordered(order) {
      await until(
        `the order ${order}, not ${steering.orders.at(-1)}`,
        () => steering.orders.at(-1) === order,
      );
    },
    [Symbol.dispose]() {
      watch.stop();
      instance.unmount();
    },
  };
}

const NAMES = ["allow", "deny", "latency", "timeout", "throttle"];

describe("the screen", () => {
  test("shows the way, the mode, the menu and the keys", async () => {
    using shown = show();
    await shown.shows("tcp 127.0.0.1:4000 → 127.0.0.1:5432", ...NAMES, "●a allow", "q quit", "Connections 0");
  });

  for (const [columns, rows] of [
    [80, 24],
    [60, 15],
    [200, 60],
    [40, 10],
    [20, 5],
    [80, 1],
  ] as const) {
    test(`fits into ${columns}x${rows}`, async () => {
      const steering = new FakeSteering({
        name: "tcp",
        mode: { kind: "timeout", timeout: 500, stream: "both" },
      });
      steering.open.set(
        "tcp",
        Array.from({ length: 100 }, (_, i) => connectionState({ id: String(i) })),
      );
      using shown = show(steering, columns, rows);
      for (let i = 0; i < 100; i++) steering.emit({ detail: "x".repeat(300) });
      shown.type("l", "x", Key.enter);
      if (rows > 1) await shown.shows("timeout 500 ms");
      const lines = shown.terminal.screen.split("\n");
      assert.ok(lines.length <= rows, `${lines.length} rows`);
      for (const text of lines)
        assert.ok([...text].length <= columns, `${[...text].length} columns: ${text}`);
    });
  }

  test("changes with the size of the terminal", async () => {
    using shown = show();
    await shown.shows("─ Mode ─");
    shown.terminal.resize(60, 15);
    await until("the menu is flat", () => !shown.terminal.screen.includes("─ Mode ─"));
    await shown.shows(...NAMES, "Connections", "Events");
    shown.terminal.resize(100, 30);
    await shown.shows("─ Mode ─");
    assert.equal(shown.terminal.screen.split("\n").length, 30);
  });

  test("shows connections with their rates, the toxics, and events", async () => {
    const steering = new FakeSteering({
      name: "tcp",
      toxics: [{ name: "slow", type: "latency", stream: "upstream", toxicity: 1, attributes: {} }],
    });
    using shown = show(steering);
    const connection = connectionState({
      bytesUp: 1500,
      bytesDown: 2_000_000,
      age: 65_000,
      toxics: ["slow"],
    });
    steering.open.set("tcp", [connection]);
    steering.emit({ kind: "refused", client: "127.0.0.1:50002", detail: "denied" });
    await shown.shows("Connections 1", "127.0.0.1:50001", "1.5 kB", "2.0 MB", "1m05s", "toxics: slow");
    await shown.shows("refused", "127.0.0.1:50002  denied");
  });

  test("scrolls through more connections than there is room for", async () => {
    const steering = new FakeSteering({ name: "tcp" });
    const many = Array.from({ length: 20 }, (_, i) =>
      connectionState({ id: String(i), client: `10.0.0.${i}:1` }),
    );
    steering.open.set("tcp", many);
    using shown = show(steering);
    await shown.shows("Connections 20, 1 to 6", "10.0.0.0:1", "10.0.0.5:1");
    shown.type(Key.pageDown);
    await shown.shows("Connections 20, 7 to 12", "10.0.0.6:1");
    shown.type(Key.pageDown, Key.pageDown, Key.pageDown);
    await shown.shows("Connections 20, 15 to 20", "10.0.0.19:1");
    steering.open.set("tcp", many.slice(0, 3));
    await shown.shows("Connections 3", "10.0.0.0:1");
  });

  test("says when the proxy is disabled or gone, and which of several it is", async () => {
    using shown = show(new FakeSteering({ name: "tcp" }, { name: "second", enabled: false }));
    await shown.shows("tcp (1/2)", "Tab next proxy");
    shown.type(Key.tab);
    await shown.shows("disabled second (2/2)");
    await shown.steering.remove("second");
    await shown.shows("the proxy is gone");
  });
});

describe("the keys", () => {
  test("choose a mode by letter, and by arrows and Enter", async () => {
    using shown = show();
    shown.type("d");
    await shown.ordered('setMode tcp {"kind":"deny","cut":false}');
    await shown.shows("●d deny", "mode deny");
    shown.type(Key.up, Key.enter);
    await shown.ordered('setMode tcp {"kind":"allow"}');
    await shown.shows("●a allow");
  });

  test("type a value, with what is wrong shown under it", async () => {
    using shown = show();
    shown.type("l");
    await shown.shows("delay in ms: 100", "Enter apply");
    shown.type("x", Key.enter);
    await shown.shows("delay in ms: x", "✗");
    shown.type(Key.backspace, "50±5", Key.enter);
    await shown.ordered('setMode tcp {"kind":"latency","latency":50,"jitter":5,"stream":"both"}');
    await shown.shows("latency 50±5 ms, both ways");
    shown.type("s");
    await shown.shows("latency 50±5 ms, client → server");
  });

  test("that come all at once are taken one by one", async () => {
    using shown = show();
    shown.type("h10k\r");
    await shown.ordered('setMode tcp {"kind":"throttle","rate":10000,"stream":"both"}');
    await shown.shows("throttle 10.0 kB/s, both ways");
  });

  test("cut connections, at once or with deny", async () => {
    using shown = show();
    shown.type("c");
    await shown.ordered("cut tcp");
    shown.type("x");
    await shown.shows("deny ends connections that run: yes");
    shown.type("d");
    await shown.ordered('setMode tcp {"kind":"deny","cut":true}');
  });

  test("show what an order fails with", async () => {
    using shown = show();
    shown.steering.failure = new SteeringError("INVALID", "that can't be");
    shown.type("d");
    await shown.shows("✗ that can't be", "failed", "●a allow");
  });

  test("quit", async () => {
    using shown = show();
    shown.type("l");
    await shown.shows("delay in ms");
    shown.type(Key.interrupt);
    assert.equal(shown.quits(), 1);
    shown.type(Key.escape);
    await until("the field is left", () => !shown.terminal.screen.includes("delay in ms"));
    shown.type("q");
    assert.equal(shown.quits(), 2);
  });
});
