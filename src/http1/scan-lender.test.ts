import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_HEAD_LIMITS } from "./head-limits.ts";
import { ScanLender } from "./scan-lender.ts";

test("one scan is lent again and again", () => {
  const lender = new ScanLender(DEFAULT_HEAD_LIMITS);
  const scan = lender.take();
  lender.giveBack(scan);
  assert.equal(lender.take(), scan);
});

test("who reads a head while another is being handled gets another scan", () => {
  const lender = new ScanLender(DEFAULT_HEAD_LIMITS);
  const outer = lender.take();
  const inner = lender.take();
  assert.notEqual(inner, outer);
  lender.giveBack(inner);
  lender.giveBack(outer);
  assert.equal(lender.take(), outer);
});
