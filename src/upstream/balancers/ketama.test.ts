import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fullShares, meansOf, serversAt, serversOf } from "../../../test/kit/balancing.ts";
import type { Server } from "../server.ts";
import type { BalancingPolicy } from "./balancing-policy.ts";
import { createPolicy } from "./create-policy.ts";
import { KetamaRing } from "./ketama.ts";

/** What other programs chose, by places of servers. */
interface Vectors {
  readonly from: string;
  readonly servers: readonly string[];
  readonly weights: readonly number[];
  /** Servers that were out. */
  readonly out: readonly number[];
  /** For the keys key-1, key-2 …, a digit each. */
  readonly numbered: string;
  /** For other keys: the first choice, then that without the first … */
  readonly keys: Readonly<Record<string, readonly number[]>>;
}

const vectors: readonly Vectors[] = JSON.parse(
  readFileSync(new URL("./ketama.vectors.json", import.meta.url), "utf8"),
);

function create(servers: readonly Server[], out: readonly number[] = []): BalancingPolicy {
  const policy = createPolicy("ketama", meansOf());
  policy.update(
    servers,
    fullShares(servers).map((share, place) => (out.includes(place) ? 0 : share)),
  );
  return policy;
}

for (const { from, servers: addresses, weights, out, numbered, keys } of vectors) {
  test(`chooses like ${from}`, () => {
    const servers = serversAt(addresses, weights);
    const policy = create(servers, out);
    const chosen = Array.from(numbered, (_, i) => policy.pick(`key-${i + 1}`, null)!.index);
    assert.equal(chosen.join(""), numbered);
    for (const [key, places] of Object.entries(keys)) {
      const tried = new Set<Server>();
      for (const place of places) {
        const server = policy.pick(key, (candidate) => !tried.has(candidate))!;
        assert.equal(server.index, place, key);
        tried.add(server);
      }
    }
  });
}

test("takes bytes for what the text of the same bytes is", () => {
  const servers = serversOf(1, 1, 1, 1, 1);
  const policy = create(servers);
  for (let i = 0; i < 100; i++) {
    const text = `caf\u00e9 ${i}`;
    assert.equal(policy.pick(Buffer.from(text, "latin1"), null), policy.pick(text, null));
  }
});

test("knows an IPv6 address however it is written", () => {
  const short = new KetamaRing(serversAt(["[2001:db8::1]:80", "[::1]:80"]), [1, 1]);
  const long = new KetamaRing(serversAt(["[2001:0DB8:0:0::0001]:80", "[0:0::1]:80"]), [1, 1]);
  for (let hash = 0; hash < 2 ** 32; hash += 2 ** 24) assert.equal(short.find(hash), long.find(hash));
});

test("gives points that are equal to the server that was named first", () => {
  const policy = create(serversAt(["a:80", "b:80", "a:80"]));
  for (let i = 0; i < 500; i++) assert.notEqual(policy.pick(`${i}`, null)!.index, 2);
});

test("gives a key that falls on a point to the point's server", () => {
  const servers = serversOf(1, 1, 1, 1, 1);
  const policy = create(servers);
  // What the first point of each server is made of.
  for (const server of servers) {
    const name = server.address.replace(":", "\0");
    assert.equal(policy.pick(`${name}\0\0\0\0`, null), server);
  }
});

test("begins anew behind the last point", () => {
  const ring = new KetamaRing(serversOf(1, 1), [1, 1]);
  assert.equal(ring.places.length, 320);
  assert.equal(ring.find(0xffff_ffff), 0);
  assert.equal(ring.find(0), 0);
});

test("has a bounded number of points", () => {
  const servers = serversOf(...new Array<number>(20).fill(1000), 1);
  const ring = new KetamaRing(
    servers,
    servers.map(({ weight }) => weight),
  );
  assert.ok(ring.places.length <= 2 ** 20 + 160 * servers.length);
  assert.ok(ring.places.includes(20));
});
