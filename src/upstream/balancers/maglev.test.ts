import assert from "node:assert/strict";
import { test } from "node:test";
import { serversAt, serversOf } from "../../../test/kit/balancing.ts";
import type { Server } from "../server.ts";
import { assertNear } from "./balancing-policy.contract.ts";
import { MaglevTable } from "./maglev.ts";

function entries(servers: readonly Server[]): number[] {
  const table = new MaglevTable(
    servers,
    servers.map(({ weight }) => weight),
  );
  const counts = servers.map(() => 0);
  for (const place of table.places) counts[place]! += 1;
  return counts;
}

test("gives servers of the same weight the same number of entries, but for one", () => {
  for (const length of [1, 2, 3, 10, 100]) {
    const counts = entries(serversOf(...new Array<number>(length).fill(3)));
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts}`);
  }
});

test("gives entries by weight, to a few per cent", () => {
  const weights = [1, 2, 3, 5, 10, 7];
  assertNear(
    entries(serversOf(...weights)),
    weights.map((weight) => (65_537 * weight) / 28),
    0.01,
  );
});

test("leaves no entry empty", () => {
  const servers = serversOf(1, 1000, 37);
  assert.equal(
    entries(servers).reduce((sum, count) => sum + count, 0),
    65_537,
  );
});

test("is the same in whatever order servers are named", () => {
  const addresses = ["a:80", "b:80", "c:80", "d:80"];
  const one = new MaglevTable(serversAt(addresses), [1, 1, 1, 1]);
  const other = new MaglevTable(serversAt([...addresses].reverse()), [1, 1, 1, 1]);
  for (let hash = 0; hash < 5000; hash++)
    assert.equal(addresses[one.places[one.find(hash)]!], addresses[3 - other.places[other.find(hash)]!]);
});

test("spreads keys that are much alike", () => {
  const table = new MaglevTable(serversOf(1, 1), [1, 1]);
  const found = new Set(Array.from({ length: 1000 }, (_, hash) => table.find(hash)));
  assert.ok(found.size > 950);
});
