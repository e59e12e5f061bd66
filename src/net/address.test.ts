import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Address, formatAddress, formatHostPort, parseAddress } from "./address.ts";

describe("an address", () => {
  const good: Record<string, Address> = {
    "127.0.0.1:80": { kind: "tcp", host: "127.0.0.1", port: 80 },
    "example.com:443": { kind: "tcp", host: "example.com", port: 443 },
    "a-b_c.d:0": { kind: "tcp", host: "a-b_c.d", port: 0 },
    ":8080": { kind: "tcp", host: "", port: 8080 },
    "8080": { kind: "tcp", host: "", port: 8080 },
    "[::1]:65535": { kind: "tcp", host: "::1", port: 65535 },
    "[::ffff:1.2.3.4]:1": { kind: "tcp", host: "::ffff:1.2.3.4", port: 1 },
    "[fe80::1%eth0]:1": { kind: "tcp", host: "fe80::1%eth0", port: 1 },
    "/run/a.sock": { kind: "unix", path: "/run/a.sock" },
    "unix:/run/a:80": { kind: "unix", path: "/run/a:80" },
    "unix:a.sock": { kind: "unix", path: "a.sock" },
    "@abstract": { kind: "unix", path: "\0abstract" },
    "unix:@abstract": { kind: "unix", path: "\0abstract" },
  };
  for (const [text, address] of Object.entries(good)) {
    test(`is read from ${text}`, () => {
      assert.deepEqual(parseAddress(text), address);
      assert.deepEqual(parseAddress(formatAddress(address)), address);
    });
  }

  const bad = [
    "",
    "a",
    ":",
    "a:",
    "a:x",
    "a:-1",
    "a:65536",
    "a:999999",
    "a:80 ",
    " a:80",
    "a b:80",
    "::1:80",
    "[::1]",
  ];
  const worse = ["[a]:80", "[]:80", "[::1:80", "http://a:80", "a/b:80", "unix:", "a:8e1", "a:0x10", "a:80\n"];
  for (const text of [...bad, ...worse]) {
    test(`isn't read from ${JSON.stringify(text)}, and the error says so`, () => {
      assert.throws(
        () => parseAddress(text),
        (error) => {
          assert.ok(error instanceof RangeError);
          assert.match(error.message, text.startsWith("[a") ? /"a"/ : /expected host:port|IPv6/);
          return true;
        },
      );
    });
  }

  test("is written as one would write it", () => {
    assert.equal(formatHostPort("::1", 80), "[::1]:80");
    assert.equal(formatHostPort("a", 80), "a:80");
    assert.equal(formatAddress({ kind: "unix", path: "\0x" }), "unix:@x");
  });
});
