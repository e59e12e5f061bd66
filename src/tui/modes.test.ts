import assert from "node:assert/strict";
import { test } from "node:test";
import type { Mode } from "../chaos/mode.ts";
import { describeMode, readMode, type ValueKind, valueText } from "./modes.ts";

test("modes in words", () => {
  const expected: [Mode, string][] = [
    [{ kind: "allow" }, "allow"],
    [{ kind: "deny", cut: true }, "deny"],
    [{ kind: "latency", latency: 100, jitter: 20, stream: "both" }, "latency 100±20 ms, both ways"],
    [{ kind: "timeout", timeout: 500, stream: "upstream" }, "timeout 500 ms, client → server"],
    [{ kind: "throttle", rate: 1_500_000, stream: "downstream" }, "throttle 1.5 MB/s, server → client"],
  ];
  for (const [mode, text] of expected) assert.equal(describeMode(mode), text);
});

test("a value as it is written is read as the same mode", () => {
  const modes: (Mode & { kind: ValueKind })[] = [
    { kind: "latency", latency: 100, jitter: 0, stream: "both" },
    { kind: "latency", latency: 100, jitter: 20, stream: "upstream" },
    { kind: "timeout", timeout: 1, stream: "downstream" },
    ...[1, 999, 1000, 1234, 10_000, 999_999, 1_500_000, 1_500_001, 12_345_678].map(
      (rate) => ({ kind: "throttle", rate, stream: "both" }) as const,
    ),
  ];
  for (const mode of modes) assert.deepEqual(readMode(mode.kind, valueText(mode), mode.stream), mode);
});
