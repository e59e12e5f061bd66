import assert from "node:assert/strict";
import { test } from "node:test";
import { isTrusted, isTrustedOwner } from "./trust.ts";

const by = (uid: number): { pid: number; uid: number } => ({ pid: 1, uid });

test("sockets are handed to the same user and to root, and to nobody else", () => {
  assert.equal(isTrusted(by(1000), 1000), true);
  assert.equal(isTrusted(by(0), 1000), true);
  assert.equal(isTrusted(by(1001), 1000), false);
  assert.equal(isTrusted(by(1001), 0), false);
});

test("sockets are had from the same user and from root, and root has them from anybody", () => {
  assert.equal(isTrustedOwner(by(1000), 1000), true);
  assert.equal(isTrustedOwner(by(0), 1000), true);
  assert.equal(isTrustedOwner(by(1001), 1000), false);
  assert.equal(isTrustedOwner(by(1001), 0), true);
});
