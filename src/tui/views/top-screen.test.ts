import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { render } from "ink";
import { createElement as h } from "react";
import { until } from "../../../test/kit/deadline.ts";
import { FakeStats, place, topEntry } from "../../../test/kit/fake-stats.ts";
import { FakeTerminal, Key } from "../../../test/kit/fake-terminal.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { createPalette } from "../palette.ts";
import { snapshotText } from "../top/summary.ts";
import { TopControls } from "../top/top-controls.ts";
import { TopWatch, takeOnePicture } from "../top/top-watch.ts";
import { shareOut, TopScreen } from "./top-screen.ts";

interface Shown extends Disposable {
  readonly source: FakeStats;
  readonly terminal: FakeTerminal;
  quits: number;
  /** Waits until the screen shows all of these. */
  shows(...texts: readonly string[]): Promise<void>;
  /** Lets a second pass, and waits until it was looked again. */
  second(): Promise<void>;
}

function show(source: FakeStats = new FakeStats(), columns = 80, rows = 24): Shown {
  const terminal = new FakeTerminal(columns, rows);
  const clock = new ManualAlarmClock();
  const watch = new TopWatch(source, clock);
  const controls = new TopControls(watch, "10s", () => shown.quits++);
  const { stdin, stdout } = terminal;
  const screen = h(TopScreen, { watch, controls, palette: createPalette(true) });
  // Ink's debug mode writes every frame as a whole.
  const instance = render(screen, { stdin, stdout, debug: true, exitOnCtrlC: false, patchConsole: false });
  clock.advance(0);
  const shown: Shown = {
    source,
    terminal,
    quits: 0,
    async shows(...texts) {
      const see = (): boolean => texts.every((text) => terminal.screen.includes(text));
      await until(`the screen shows ${texts.join(", ")}`, see).catch(() =>
        assert.fail(`${texts.join(", ")} is not on the screen:\n${terminal.screen}`),
      );
    },
    async second() {
      const { asked } = source;
      // The next look is set when the one before is over.
      await until("it is looked again", () => {
        clock.advance(1000);
        return source.asked > asked;
      });
    },
    [Symbol.dispose]() {
      watch.stop();
      instance.unmount();
    },
  };
  return shown;
}

describe("the screen", () => {
  test("shows totals, listeners, routes, upstreams, clients and paths", async () => {
    using shown = show();
    await shown.shows("sluice top", "127.0.0.1:8474", "120 req/s", "p99 12.5ms", "q quit");
    await shown.shows("LISTENER", "web api", "web all", "UPSTREAM", "203.0.113.7", "/api/things");
    assert.ok(
      !shown.terminal.screen.includes("\u001b[2J"),
      "what clients send is no command to the terminal",
    );
    await shown.shows("/evil·[2J…");
  });

  for (const [columns, rows] of [
    [80, 24],
    [200, 60],
    [40, 10],
    [20, 5],
  ] as const) {
    test(`fits into ${columns}x${rows}`, async () => {
      const source = new FakeStats();
      source.routes = Array.from({ length: 100 }, (_, i) => place(`route ${i}`, i, { listener: "web" }));
      using shown = show(source, columns, rows);
      await shown.shows("sluice top");
      await until("there are totals", () => shown.terminal.screen.includes("120 req/s"));
      const lines = shown.terminal.screen.split("\n");
      assert.ok(lines.length <= rows, `${lines.length} rows`);
      for (const text of lines) assert.ok([...text].length <= columns, text);
    });
  }

  test("gives one list all of the room, sorted and scrolled", async () => {
    const source = new FakeStats();
    source.routes = Array.from({ length: 40 }, (_, i) => place(`n${i}`, i, { listener: "web" }));
    using shown = show(source);
    await shown.shows("LISTENER");
    shown.terminal.type("r");
    await shown.shows("routes 40, 1 to 18", "web n39");
    shown.terminal.type(Key.pageDown);
    await shown.shows("routes 40, 19 to 36", "web n21");
    for (let i = 0; i < 4; i++) shown.terminal.type("s");
    await shown.shows("by name");
    shown.terminal.type("c");
    await shown.shows("CLIENT", "clients 2");
    shown.terminal.type(Key.tab);
    await shown.shows("PATH", "paths 2");
    for (const key of ["w", "a"]) shown.terminal.type(key);
    await shown.shows("LISTENER", "last 60s");
    shown.terminal.type("q");
    await until("it quits", () => shown.quits === 1);
  });

  test("cuts a long name rather than what is told of it", async () => {
    const source = new FakeStats();
    source.met = { ...source.met, path: [topEntry(`/${"long".repeat(40)}`, 9000)] };
    using shown = show(source);
    shown.terminal.type("p");
    await shown.shows("PATH", "paths 1");
    assert.match(shown.terminal.screen, / \/longlong\S+… +- +9k +\d+% /);
  });

  test("tells how often clients come from how often they came", async () => {
    using shown = show();
    await shown.shows("203.0.113.7");
    const { source } = shown;
    source.met = { ...source.met, client: [topEntry("203.0.113.7", 9700), topEntry("192.0.2.9", 9300)] };
    await shown.second();
    await shown.shows("192.0.2.9");
    assert.match(shown.terminal.screen, / 203\.0\.113\.7 +700 +9\.7k/);
  });

  test("stands still while it is paused", async () => {
    using shown = show();
    await shown.shows("120 req/s");
    shown.terminal.type(" ");
    await shown.shows("PAUSED");
    shown.source.upstreams = [place("another", 1)];
    shown.source.problem = new Error("can't reach it");
    await shown.second();
    await shown.shows("Trying again");
    shown.source.problem = null;
    await shown.second();
    await until("there is no problem", () => !shown.terminal.screen.includes("Trying again"));
    assert.ok(!shown.terminal.screen.includes("another"));
    shown.terminal.type(" ");
    await shown.second();
    await shown.shows("another");
  });

  test("says that nobody answers, keeps what it knew, and goes on when somebody does", async () => {
    using shown = show();
    await shown.shows("120 req/s");
    shown.source.problem = new Error("can't reach it");
    await shown.second();
    await shown.shows("Trying again: can't reach it", "120 req/s", "web api");
    shown.source.problem = null;
    await shown.second();
    await until("there is no problem", () => !shown.terminal.screen.includes("Trying again"));
  });
});

test("room is shared out equally, but nobody gets more than he wants", () => {
  assert.deepEqual(shareOut([3, 100, 3, 100], 20), [3, 7, 3, 7]);
  assert.deepEqual(shareOut([3, 3], 20), [3, 3]);
  assert.deepEqual(shareOut([5, 5, 5], 3), [1, 1, 1]);
  assert.deepEqual(shareOut([], 3), []);
});

test("without a terminal it is one text", async () => {
  const picture = await takeOnePicture(new FakeStats());
  const text = snapshotText(picture, "http://a:1", { window: "10s", sort: "name", width: 100 });
  const lines = text.split("\n");
  assert.equal(lines[0], "http://a:1  up 16m  last 10s");
  assert.match(text, /^ROUTE +REQ\/S .*P50 +P90 +P99 +MAX/m);
  assert.match(text, /^web api +20 .*1\.25ms/m);
  assert.match(text, /^203\.0\.113\.7 +- +9k +0 +90%/m);
  assert.ok(lines.every((line) => line.length <= 100));
});
