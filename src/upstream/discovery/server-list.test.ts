import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { readServerList } from "./server-list.ts";

const plain = { weight: 1, priority: 0, zone: null };

describe("a list of servers", () => {
  test("is read from addresses and maps", () => {
    const { servers, problems } = readServerList([
      "127.0.0.1:80",
      { address: "[::1]:81", weight: 3, priority: 1, zone: "a" },
      "/run/a.sock",
      { address: "example.com:82", zone: null, backup: true },
      83,
      ":84",
    ]);
    assert.deepEqual(problems, []);
    assert.deepEqual(servers, [
      { ...plain, address: "127.0.0.1:80" },
      { address: "[::1]:81", weight: 3, priority: 1, zone: "a" },
      { ...plain, address: "unix:/run/a.sock" },
      { ...plain, address: "example.com:82", priority: 1 },
      { ...plain, address: "127.0.0.1:83" },
      { ...plain, address: "127.0.0.1:84" },
    ]);
  });

  const bad: readonly (readonly [entry: unknown, message: RegExp])[] = [
    ["nowhere", /entry 2, "nowhere": Address "nowhere" is none/],
    [80_800, /entry 2, 80800: Address "80800" is none/],
    [1.5, /entry 2, 1.5: Address "1.5" is none/],
    [true, /entry 2, true: expected an address/],
    [null, /entry 2, null: expected an address/],
    [[], /entry 2, \[\]: expected an address/],
    [{}, /entry 2, \{\}: the address is neither a text nor a port/],
    ["a:0", /nothing answers on port 0/],
    [{ address: "a:80", backup: 1 }, /backup is neither true nor false/],
    [{ address: "a:80", backup: true, priority: 0 }, /backup and priority exclude each other/],
    [{ address: "a:80", weight: 0 }, /the weight is not a whole number from 1 to 1000/],
    [{ address: "a:80", weight: "2" }, /the weight is not/],
    [{ address: "a:80", weight: 1001 }, /the weight is not/],
    [{ address: "a:80", priority: -1 }, /the priority is not a whole number from 0 to 65535/],
    [{ address: "a:80", zone: 1 }, /the zone is no text/],
    [{ address: "a:80", wieght: 2 }, /wieght is none of address, weight, priority, backup and zone/],
    ["first:80", /this address is there twice/],
    [{ address: "x".repeat(500) }, /x…: Address/],
  ];
  for (const [entry, message] of bad) {
    test(`names ${JSON.stringify(entry).slice(0, 60)} as wrong and goes on`, () => {
      const { servers, problems } = readServerList(["first:80", entry, "last:80"]);
      assert.deepEqual(
        servers.map(({ address }) => address),
        ["first:80", "last:80"],
      );
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, message);
    });
  }

  test("must be a list", () => {
    for (const value of [null, {}, "a:80", 1, undefined])
      assert.throws(() => readServerList(value), /no list of servers/);
  });

  test("has a server or a problem for each entry, whatever stands there", () => {
    fc.assert(
      fc.property(fc.array(fc.anything()), (entries) => {
        const { servers, problems } = readServerList(entries);
        assert.equal(servers.length + problems.length, entries.length);
      }),
    );
  });
});
