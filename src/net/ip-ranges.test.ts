import assert from "node:assert/strict";
import { test } from "node:test";
import { IpRanges } from "./ip-ranges.ts";

test("addresses and ranges of both kinds are told from what is outside of them", () => {
  const ranges = new IpRanges(["10.0.0.0/8", "192.0.2.1", "fd00::/8", "::1", "fe80::/10"]);
  for (const address of ["10.255.0.1", "192.0.2.1", "fd12::1", "::1", "::ffff:10.0.0.1", "fe80::1%eth0"]) {
    assert.equal(ranges.has(address), true, address);
    assert.equal(ranges.has(address), true, "remembered");
  }
  for (const address of [
    "11.0.0.1",
    "192.0.2.2",
    "fe00::1",
    "::2",
    "::ffff:11.0.0.1",
    "",
    "unknown",
    "10.0.0",
  ]) {
    assert.equal(ranges.has(address), false, address);
    assert.equal(ranges.has(address), false, "remembered");
  }
  assert.equal(new IpRanges(["0.0.0.0/0"]).has("203.0.113.9"), true);
  assert.equal(new IpRanges([]).has("203.0.113.9"), false);
});

test("what is no range is refused: one that is cut off could mean everybody", () => {
  for (const range of [
    "10.0.0.0/",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0.0/8/8",
    "10.0.0.0/ 8",
    "10.0.0",
    "a",
    "",
  ]) {
    assert.throws(() => new IpRanges([range]), RangeError, range);
  }
});
