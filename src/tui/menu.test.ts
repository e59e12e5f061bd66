import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ALLOW, type Mode } from "../chaos/mode.ts";
import type { KeyName, KeyPress } from "./keys.ts";
import { type Menu, openMenu, type Pressed, press } from "./menu.ts";

/** Single characters are typed, longer words are keys. */
function type(running: Mode, ...keys: readonly (string | KeyName)[]): Pressed {
  let pressed: Pressed = { menu: openMenu(running), wish: null };
  for (const key of keys) pressed = press(pressed.menu, toPress(key), running);
  return pressed;
}

function toPress(key: string): KeyPress {
  return key.length === 1 ? { name: "text", text: key } : { name: key as KeyName, text: "" };
}

function menuAfter(...keys: readonly (string | KeyName)[]): Menu {
  return type(ALLOW, ...keys).menu;
}

const LATENCY: Mode = { kind: "latency", latency: 70, jitter: 5, stream: "upstream" };

describe("choosing a mode", () => {
  test("by its letter, in either case", () => {
    assert.deepEqual(type(ALLOW, "d").wish, { do: "setMode", mode: { kind: "deny", cut: false } });
    assert.deepEqual(type(LATENCY, "A").wish, { do: "setMode", mode: ALLOW });
  });

  test("by arrows, which go round, and Enter", () => {
    assert.equal(menuAfter("down").highlighted, "deny");
    assert.equal(menuAfter("up").highlighted, "throttle");
    assert.equal(menuAfter("right", "right", "left").highlighted, "deny");
    assert.deepEqual(type(LATENCY, "up", "up", "enter").wish, { do: "setMode", mode: ALLOW });
  });

  test("begins with the one that runs", () => {
    const menu = openMenu(LATENCY);
    assert.deepEqual([menu.highlighted, menu.streams], ["latency", "upstream"]);
  });
});

describe("a value", () => {
  test("is asked for, and applied by Enter", () => {
    assert.equal(menuAfter("l").field?.text, "100");
    const { menu, wish } = type(ALLOW, "l", "2", "5", "enter");
    assert.deepEqual(wish, {
      do: "setMode",
      mode: { kind: "latency", latency: 25, jitter: 0, stream: "both" },
    });
    assert.equal(menu.field, null);
  });

  test("takes what is awkward to type for ±", () => {
    for (const text of ["50±5", "50+-5", "50+/-5", " 50 +- 5 "]) {
      const { wish } = type(ALLOW, "l", ...text, "enter");
      assert.deepEqual(
        wish,
        { do: "setMode", mode: { kind: "latency", latency: 50, jitter: 5, stream: "both" } },
        text,
      );
    }
  });

  test("begins with the value that runs, or the last one", () => {
    assert.equal(type(LATENCY, "l").menu.field?.text, "70±5");
    assert.equal(menuAfter("h", "2", "M", "enter", "h").field?.text, "2M");
  });

  test("that is wrong stays in the field with what is wrong", () => {
    const { menu, wish } = type(ALLOW, "t", "x", "enter");
    assert.equal(wish, null);
    assert.equal(menu.field?.text, "x");
    assert.notEqual(menu.field?.problem, "");
  });

  test("is left by Escape, and letters in it are no shortcuts", () => {
    assert.equal(menuAfter("t", "escape").field, null);
    const { menu, wish } = type(ALLOW, "t", "q");
    assert.deepEqual([menu.field?.text, wish], ["q", null]);
  });

  test("can name a direction itself", () => {
    const { menu, wish } = type(ALLOW, "t", ..."5 downstream", "enter");
    assert.deepEqual(wish, { do: "setMode", mode: { kind: "timeout", timeout: 5, stream: "downstream" } });
    assert.equal(menu.streams, "downstream");
  });
});

describe("the direction", () => {
  test("goes round, and turns the mode that runs", () => {
    assert.deepEqual(
      ["s", "s", "s"].map((_, i, keys) => menuAfter(...keys.slice(0, i + 1)).streams),
      ["upstream", "downstream", "both"],
    );
    assert.deepEqual(type(LATENCY, "s").wish, { do: "setMode", mode: { ...LATENCY, stream: "downstream" } });
    assert.equal(type(ALLOW, "s").wish, null);
  });

  test("counts for the next mode", () => {
    const { wish } = type(ALLOW, "s", "h", ..."10k", "enter");
    assert.deepEqual(wish, { do: "setMode", mode: { kind: "throttle", rate: 10_000, stream: "upstream" } });
  });
});

describe("cutting", () => {
  test("is done at once by c", () => {
    assert.deepEqual(type(ALLOW, "c").wish, { do: "cut" });
  });

  test("goes with deny after x", () => {
    assert.deepEqual(type(ALLOW, "x", "d").wish, { do: "setMode", mode: { kind: "deny", cut: true } });
    assert.deepEqual(type(ALLOW, "x", "x", "d").wish, { do: "setMode", mode: { kind: "deny", cut: false } });
  });

  test("is done at once by x while connections are denied", () => {
    const denied: Mode = { kind: "deny", cut: false };
    assert.deepEqual(type(denied, "x").wish, { do: "setMode", mode: { kind: "deny", cut: true } });
    assert.equal(type(denied, "x", "x").wish, null);
  });
});

test("q quits from the menu, Ctrl+C from everywhere", () => {
  assert.deepEqual(type(ALLOW, "q").wish, { do: "quit" });
  assert.deepEqual(type(ALLOW, "l", "interrupt").wish, { do: "quit" });
});

test("keys that mean nothing do nothing", () => {
  const menu = openMenu(ALLOW);
  for (const key of ["z", "7", "backspace", "escape"]) {
    assert.deepEqual(press(menu, toPress(key), ALLOW), { menu, wish: null });
  }
});
