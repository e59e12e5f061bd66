import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PlayEvent } from "../../control/scenario-events.ts";
import { JsonPlayPrinter, type PlayHead, TextPlayPrinter } from "./play-printer.ts";

class Page {
  text = "";

  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

const head: PlayHead = {
  ...{ name: "slow", host: "http://a:1", steps: 1, length: 1500, rounds: 1, seed: "x" },
  ...{ isDrawn: false, speed: 1 },
};

function event(change: Partial<PlayEvent>): PlayEvent {
  return { kind: "step", round: 1, at: 0, step: 1, proxies: ["db"], text: "mode deny", ...change };
}

describe("lines for people", () => {
  test("say when, where and what", () => {
    const [out, err] = [new Page(), new Page()];
    const printer = new TextPlayPrinter(out, err, false);
    printer.begin(head);
    printer.event(event({ at: 1234, proxies: ["a", "b"] }));
    printer.event(event({ kind: "value", text: "not told" }));
    printer.event(event({ kind: "log", at: 100_000, proxies: [], text: "hello" }));
    printer.event(event({ kind: "fail", at: 2000, text: "wrong" }));
    printer.end("failed");
    assert.equal(
      out.text,
      [
        "slow: 1 step, 1.500s, on http://a:1",
        "     1.234s  a, b: mode deny",
        "   100.000s  hello",
        "failed",
        "",
      ].join("\n"),
    );
    assert.equal(err.text, "     2.000s  db: wrong\n");
  });

  test("tell at the start what is not usual", () => {
    const facts = (change: Partial<PlayHead>): string => {
      const out = new Page();
      new TextPlayPrinter(out, out, false).begin({ ...head, ...change });
      return out.text;
    };
    assert.equal(facts({ steps: 2, host: "" }), "slow: 2 steps, 1.500s\n");
    assert.equal(
      facts({ rounds: 3, isDrawn: true, speed: 10 }),
      "slow: 1 step, 1.500s, 3 rounds, 10 times as fast, seed x, on http://a:1\n",
    );
    assert.match(facts({ rounds: Number.POSITIVE_INFINITY }), /, for ever, /);
  });

  test("have colours only if told so", () => {
    const out = new Page();
    const printer = new TextPlayPrinter(out, out, true);
    printer.begin(head);
    printer.event(event({ kind: "undo" }));
    assert.ok(out.text.startsWith("\u001B[1mslow\u001B[22m: "), out.text);
    assert.ok(out.text.endsWith("\u001B[2mdb: mode deny\u001B[22m\n"), out.text);
  });
});

test("JSON lines have everything, values of ramps too", () => {
  const out = new Page();
  const printer = new JsonPlayPrinter(out, () => 5);
  printer.begin({ ...head, rounds: Number.POSITIVE_INFINITY });
  printer.event(event({ kind: "value", at: 250 }));
  printer.end("done");
  const lines = out.text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(lines, [
    {
      ...{ event: "begin", time: 5, name: "slow", host: "http://a:1", steps: 1, length: 1500 },
      ...{ rounds: "forever", seed: "x", speed: 1 },
    },
    { event: "value", time: 5, round: 1, at: 250, step: 1, proxies: ["db"], text: "mode deny" },
    { event: "end", time: 5, outcome: "done" },
  ]);
});
