import assert from "node:assert/strict";
import { test } from "node:test";
import { formatAge, formatBytes, formatRate, formatTime, printable } from "./units.ts";

test("bytes are told in powers of 1000, in at most seven characters", () => {
  const expected: [number, string][] = [
    [0, "0 B"],
    [-5, "0 B"],
    [999, "999 B"],
    [999.6, "1.0 kB"],
    [1000, "1.0 kB"],
    [12_345, "12.3 kB"],
    [99_950, "100 kB"],
    [999_499, "999 kB"],
    [999_500, "1.0 MB"],
    [1.5e9, "1.5 GB"],
    [2e15, "2.0 PB"],
  ];
  for (const [bytes, text] of expected) assert.equal(formatBytes(bytes), text);
  for (let exponent = 0; exponent < 17; exponent += 0.01) {
    assert.ok(formatBytes(10 ** exponent).length <= 7, String(exponent));
  }
  assert.equal(formatRate(12_345), "12.3 kB/s");
});

test("an age has at most five characters", () => {
  const [second, minute, hour] = [1000, 60_000, 3_600_000];
  const expected: [number, string][] = [
    [0, "0s"],
    [59.9 * second, "59s"],
    [minute, "1m00s"],
    [9 * minute + 59 * second, "9m59s"],
    [10 * minute, "10m"],
    [hour, "1h00m"],
    [99 * hour, "99h"],
    [100 * hour, "4d"],
  ];
  for (const [age, text] of expected) assert.equal(formatAge(age), text);
});

test("a time is the local time of day", () => {
  assert.equal(formatTime(new Date(2026, 0, 2, 3, 4, 5).getTime()), "03:04:05");
});

test("nothing from outside reaches the terminal as a command", () => {
  assert.equal(printable("a\u001b[2Jb\u0007\n\u202e"), "a·[2Jb···");
  assert.equal(printable("127.0.0.1:80 ± →"), "127.0.0.1:80 ± →");
});
