import assert from "node:assert/strict";
import { test } from "node:test";
import { isTrusted, isTrustedOwner } from "./trust.ts";

const by = (uid: number, pid: number = 1): { pid: number; uid: number } => ({ pid, uid });

test("sockets are handed to the same user and to root, and to nobody else", () => {
  assert.equal(isTrusted(by(1000), 1000), true);
  assert.equal(isTrusted(by(0), 1000), true);
  assert.equal(isTrusted(by(1001), 1000), false);
  assert.equal(isTrusted(by(1001), 0), false);
});

test("who has no number of his own in a namespace is nobody's equal", () => {
  assert.equal(
    isTrusted(by(65_534), 65_534, () => true),
    true,
  );
  assert.equal(
    isTrusted(by(65_534), 65_534, () => false),
    false,
  );
  assert.equal(
    isTrusted(by(0), 65_534, () => false),
    true,
  );
});

test("sockets are had from the same user and from root, and by root from whom he expects", () => {
  const nobody = { pid: null, uid: null };
  assert.equal(isTrustedOwner(by(1000), nobody, 1000), true);
  assert.equal(isTrustedOwner(by(0), nobody, 1000), true);
  assert.equal(isTrustedOwner(by(1001), nobody, 1000), false);
  assert.equal(isTrustedOwner(by(1001), nobody, 0), false);
  assert.equal(isTrustedOwner(by(1001), { pid: null, uid: 1001 }, 0), true);
  assert.equal(isTrustedOwner(by(1001, 7), { pid: 7, uid: 33 }, 0), true);
  assert.equal(isTrustedOwner(by(1001, 8), { pid: 7, uid: 33 }, 0), false);
  assert.equal(isTrustedOwner(by(1001, 7), { pid: 7, uid: 1001 }, 1000), false);
});
