import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { AcceptEncoding } from "./accept-encoding.ts";
import { CODINGS, type Coding } from "./coding-settings.ts";

const cases: readonly [value: string, chosen: Coding | null][] = [
  ["", null],
  ["gzip", "gzip"],
  ["GZip , BR", "br"],
  ["x-gzip", "gzip"],
  ["gzip, deflate, br, zstd", "zstd"],
  ["gzip;q=1.0, br;q=0.9, zstd;q=0.8", "gzip"],
  ["gzip; q=0.5,br ;Q=0.501", "br"],
  ["deflate, compress", null],
  ["identity", null],
  ["identity;q=0", null],
  ["identity;q=0, *;q=0", null],
  ["identity;q=0.5, gzip;q=0.3", null],
  ["identity;q=0.5, gzip;q=0.5", "gzip"],
  ["gzip, identity", "gzip"],
  ["*", "zstd"],
  ["*;q=0.1", "zstd"],
  ["*;q=0", null],
  ["zstd;q=0, *", "br"],
  ["zstd;q=0, br;q=0.2, *;q=0.1", "br"],
  ["gzip;q=0", null],
  ["gzip;q=0.000", null],
  ["gzip;q=0.001", "gzip"],
  ["gzip;q=0, gzip", "gzip"],
  // What isn't well formed says nothing.
  ["gzip;q=", null],
  ["gzip;q=2", null],
  ["gzip;q=0.1234, br;q=0.1", "br"],
  ["gzip;q=-1", null],
  ["gzip;level=9", null],
  [",,gzip,,", "gzip"],
  [";q=1", null],
  ["gzip br", null],
];

for (const [value, chosen] of cases) {
  test(`${JSON.stringify(value)} is ${chosen ?? "as it is"}`, () => {
    assert.equal(new AcceptEncoding(value).choose(CODINGS), chosen);
  });
}

test("of what a client likes the same, the first of ours is taken", () => {
  const accepted = new AcceptEncoding("gzip, br, zstd;q=0.9");
  assert.equal(accepted.choose(["gzip", "br"]), "gzip");
  assert.equal(accepted.choose(["zstd", "br", "gzip"]), "br");
  assert.equal(accepted.choose(["zstd"]), "zstd");
  assert.equal(accepted.choose([]), null);
});

const member = fc.record({
  name: fc.constantFrom("gzip", "br", "zstd", "deflate", "identity", "*"),
  weight: fc.integer({ min: 0, max: 1000 }),
});

test("what is chosen is liked best of all, as the list says it", () => {
  fc.assert(
    fc.property(fc.uniqueArray(member, { selector: ({ name }) => name }), (members) => {
      const value = members.map(({ name, weight }) => `${name};q=${(weight / 1000).toFixed(3)}`).join(", ");
      const said = (name: string): number | undefined => members.find((one) => one.name === name)?.weight;
      const weightOf = (name: string): number => said(name) ?? said("*") ?? 0;
      const best = Math.max(...CODINGS.map(weightOf));
      const isPlain = best === 0 || best < (said("identity") ?? 0);
      const expected = isPlain ? null : CODINGS.find((coding) => weightOf(coding) === best);
      assert.equal(new AcceptEncoding(value).choose(CODINGS), expected);
    }),
  );
});

test("nothing that a client may send is too much for it", () => {
  const piece = fc.constantFrom("gzip", "br", "*", ";", ",", "q=", "=", "0.5", "1", " ", "\t", "Q", "x", '"');
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(piece).map((pieces) => pieces.join("")),
      ),
      (value) => {
        const accepted = new AcceptEncoding(value);
        const chosen = accepted.choose(CODINGS);
        assert.ok(chosen === null || accepted.weightOf(chosen) > 0);
      },
    ),
  );
});
