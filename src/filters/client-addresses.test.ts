import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession } from "../../test/kit/session.ts";
import { ClientAddresses } from "./client-addresses.ts";

function addressOf(trusted: readonly string[], address: string, ...forwardedFor: readonly string[]): string {
  const headers = forwardedFor.map((value) => `X-Forwarded-For: ${value}`);
  return new ClientAddresses(trusted).addressOf(
    createSession<unknown>({ client: { address }, headers }).session,
  );
}

const trusted = ["10.0.0.0/8", "fd00::/8"];

test("is the connection's, as long as no trusted proxy says otherwise", () => {
  assert.equal(addressOf([], "10.0.0.1", "1.1.1.1"), "10.0.0.1");
  assert.equal(addressOf(trusted, "192.0.2.1", "1.1.1.1"), "192.0.2.1");
  assert.equal(addressOf(trusted, "10.0.0.1"), "10.0.0.1");
});

test("is what the first trusted proxy saw, however much is made up before it", () => {
  assert.equal(addressOf(trusted, "10.0.0.1", "203.0.113.9"), "203.0.113.9");
  assert.equal(addressOf(trusted, "10.0.0.1", "10.9.9.9, 6.6.6.6, 203.0.113.9, 10.0.0.2"), "203.0.113.9");
  assert.equal(addressOf(trusted, "10.0.0.1", "6.6.6.6", "203.0.113.9", "10.0.0.2,fd00::2"), "203.0.113.9");
});

test("is the first one when all are trusted", () => {
  assert.equal(addressOf(trusted, "10.0.0.1", "10.0.0.3, 10.0.0.2"), "10.0.0.3");
});

test("is not looked for beyond an entry that can't be read", () => {
  assert.equal(addressOf(trusted, "10.0.0.1", "1.1.1.1, unknown"), "10.0.0.1");
  assert.equal(addressOf(trusted, "10.0.0.1", "1.1.1.1,, 10.0.0.2"), "10.0.0.2");
  assert.equal(addressOf(trusted, "10.0.0.1", "1.1.1.1, 999.0.0.1:80"), "10.0.0.1");
});

test("may come with a port, and in IPv6 form", () => {
  assert.equal(addressOf(trusted, "::ffff:10.0.0.1", "203.0.113.9:5000"), "203.0.113.9");
  assert.equal(addressOf(trusted, "10.0.0.1", "[2001:db8::1]:5000"), "2001:db8::1");
  assert.equal(addressOf(trusted, "10.0.0.1", "[2001:db8::1]"), "2001:db8::1");
});

test("comes from whoever may write to a Unix socket, once proxies are trusted at all", () => {
  assert.equal(addressOf(trusted, "", "203.0.113.9"), "203.0.113.9");
  assert.equal(addressOf([], "", "203.0.113.9"), "");
});

test("refuses ranges that are none", () => {
  for (const range of [
    "10.0.0.0/33",
    "10.0.0/8",
    "::/129",
    "a.example",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    "10.0.0.0/-1",
    "",
  ]) {
    assert.throws(() => new ClientAddresses([range]), RangeError, range);
  }
});
