import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { until } from "../../test/kit/deadline.ts";
import { FakeSteering } from "../../test/kit/fake-steering.ts";
import { FakeTerminal } from "../../test/kit/fake-terminal.ts";
import { openInterface } from "./interface.ts";
import type { Screen } from "./screen.ts";

interface Opened {
  readonly terminal: FakeTerminal;
  readonly steering: FakeSteering;
  readonly opened: Screen;
}

const ESCAPE = "\u001b";
const ENTER_SCREEN = "\u001b[?1049h";
const LEAVE_SCREEN = "\u001b[?1049l";
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";
/** A sequence that sets a colour. */
const COLOUR = new RegExp(`${ESCAPE}\\[(?:[0-9]+;)*(?:3[0-8]|4[0-8]|9[0-7])(?:;[0-9]+)*m`);

async function open(isColoured = true): Promise<Opened> {
  const terminal = new FakeTerminal();
  const steering = new FakeSteering({ name: "tcp" });
  const { stdin, stdout } = terminal;
  const opened = openInterface({ steering, proxy: "tcp", stdin, stdout, isColoured });
  await until("the menu is shown", () => terminal.output.includes("throttle") && terminal.isRaw);
  return { terminal, steering, opened };
}

function assertRestored({ terminal, steering }: Opened): void {
  const { output } = terminal;
  assert.ok(output.lastIndexOf(LEAVE_SCREEN) > output.lastIndexOf(ENTER_SCREEN), "the user's screen is back");
  assert.ok(output.lastIndexOf(SHOW_CURSOR) > output.lastIndexOf(HIDE_CURSOR), "the cursor is back");
  assert.equal(terminal.isRaw, false, "keys are the shell's again");
  assert.equal(steering.listeners, 0, "nobody listens any more");
}

describe("the terminal is given back", () => {
  test("when the user quits", async () => {
    for (const key of ["q", "\u0003"]) {
      const shown = await open();
      assert.ok(shown.terminal.output.includes(ENTER_SCREEN));
      shown.terminal.type(key);
      await shown.opened.closed;
      assertRestored(shown);
    }
  });

  test("when the program closes it, once or twice", async () => {
    const shown = await open();
    shown.opened.close();
    shown.opened.close();
    await shown.opened.closed;
    assertRestored(shown);
  });

  test("before Node prints an error that nobody caught", async () => {
    const before = process.listenerCount("uncaughtExceptionMonitor");
    const shown = await open();
    process.emit("uncaughtExceptionMonitor", new Error("crash"), "uncaughtException");
    await shown.opened.closed;
    assertRestored(shown);
    assert.equal(process.listenerCount("uncaughtExceptionMonitor"), before);
  });

  test("when it can't be drawn any more, and the error is told", async () => {
    const shown = await open();
    const broken = { name: "tcp", mode: null } as never;
    shown.steering.put(broken);
    await assert.rejects(shown.opened.closed, TypeError);
    assertRestored(shown);
  });
});

test("draws four times a second at most while nobody types", async () => {
  const { terminal, steering, opened } = await open();
  const began = performance.now();
  const before = terminal.writes.length;
  let events = 0;
  const timer = setInterval(() => steering.emit({ detail: `number ${events++}` }), 1);
  // Where the machine is busy, a turn of the loop takes longer than the drawing may wait: fewer events do as well.
  await until("events are drawn", () => /number [1-9]\d/.test(terminal.output)).finally(() =>
    clearInterval(timer),
  );
  const frames = terminal.writes.slice(before).filter((text) => text.includes("number")).length;
  const most = Math.ceil((performance.now() - began) / 250) + 1;
  assert.ok(frames <= most, `${frames} frames, at most ${most}`);
  opened.close();
  await opened.closed;
});

test("writes no colours without colours", async () => {
  const { terminal, opened } = await open(false);
  terminal.type("d");
  await until("the mode is shown", () => terminal.output.includes("mode deny"));
  opened.close();
  await opened.closed;
  assert.doesNotMatch(terminal.output, COLOUR);
});
