import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { requestOf } from "../../test/kit/cache-exchange.ts";
import { DEFAULT_KEY_RULES, KeyMaker, type KeyRules } from "./key.ts";
import { KeyHash } from "./key-hash.ts";
import type { QueryRule } from "./rules/query-rule.ts";

/*
 * Servers read queries and cookies in ways that differ. Two requests may have one key only if none of these servers reads
 * them as different in what the key is made of: or whoever sends one of them fills in what others get who send the other.
 */

type Pair = readonly [name: string, value: string];
/** What a server makes of the text: names and values, in order. */
type Reader = (text: string) => readonly Pair[];

function pairsOf(text: string, separators: RegExp, trims: boolean): Pair[] {
  return text.split(separators).flatMap((part): Pair[] => {
    const [name = "", ...value] = part.split("=");
    const shown = trims ? name.trim() : name.trimStart();
    return part === "" ? [] : [[shown, value.join("=")]];
  });
}

function decoded(text: string): string {
  return text
    .replaceAll("+", " ")
    .replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

/** As PHP names its variables. */
function asVariable(name: string): string {
  const shown = decoded(name).trimStart().split("\0", 1)[0]!;
  const stem = /^([^[]+)\[[^\]]*\]/.exec(shown)?.[1] ?? shown.replace("[", "_");
  return stem.replace(/[. ]/g, "_");
}

function mapNames(reader: Reader, change: (name: string) => string): Reader {
  return (text) => reader(text).map(([name, value]): Pair => [change(name), value]);
}

function readersOf(separators: RegExp, looser: RegExp): readonly Reader[] {
  const plain: Reader = (text) => pairsOf(text, separators, false);
  const trimming: Reader = (text) => pairsOf(text, separators, true);
  const loose: Reader = (text) => pairsOf(text, looser, true);
  return [
    ...[plain, trimming, loose],
    ...[plain, loose].map((reader) => mapNames(reader, decoded)),
    ...[plain, loose].map((reader) => mapNames(reader, asVariable)),
    ...[plain, loose].map((reader) => mapNames(reader, (name) => decoded(name).toLowerCase())),
  ];
}

/** What a server has for a name that takes the first, the last, or all of them. */
function readings(readers: readonly Reader[], text: string, name: string): string[] {
  return readers.map((read) => {
    const values = read(text).flatMap(([other, value]) => (other === name ? [value] : []));
    return JSON.stringify(values);
  });
}

/** Most of them have keys that differ. */
const RUNS = 600;

function makerOf(rules: Partial<KeyRules>): KeyMaker {
  return new KeyMaker({ ...DEFAULT_KEY_RULES, ...rules }, new KeyHash([1, 2, 3, 4]));
}

const NAMES = [
  "id",
  "ID",
  "i%64",
  "id[]",
  "id[a]",
  "id%00x",
  " id",
  "+id",
  "id ",
  "x",
  "y",
  "[id]",
  "id[",
  "i.d",
  "a",
];
const VALUES = ["", "1", "2", '"1"', "a=b", "1?id=2", "1;id=3", "1, id=4", " 1"];
const part = fc
  .tuple(fc.constantFrom(...NAMES), fc.constantFrom(...VALUES))
  .map(([name, value]) => `${name}=${value}`);

/** Texts that are likely to have one key: the second one is the first in another order, with something more or less. */
function twins(separator: string): fc.Arbitrary<readonly [string, string]> {
  const parts = fc.array(part, { minLength: 1, maxLength: 4 });
  const other = fc
    .tuple(parts, parts, fc.nat(4))
    .chain(([one, more, kept]) =>
      fc
        .shuffledSubarray([...one, ...more], { minLength: Math.min(one.length, kept) })
        .map((all) => [one, all] as const),
    );
  return other.map(([one, all]) => [one.join(separator), all.join(separator)] as const);
}

test("queries have one key only where all servers read the same in them", () => {
  const readers = readersOf(/&/, /[&;?]/);
  const rules: readonly QueryRule[] = [
    { keeps: "only", names: ["id"], sorted: false },
    { keeps: "only", names: ["id"], sorted: true },
    { keeps: "all", names: [], sorted: true },
    { keeps: "except", names: ["x", "y"], sorted: true },
  ];
  for (const query of rules) {
    const maker = makerOf({ query });
    const keyOf = (text: string): string =>
      maker.of(requestOf({ target: `/?${text.replaceAll(" ", "%20")}` }), "http").text;
    fc.assert(
      fc.property(twins("&"), ([one, other]) => {
        if (keyOf(one) !== keyOf(other)) return;
        assert.deepEqual(readings(readers, one, "id"), readings(readers, other, "id"), `${one} and ${other}`);
      }),
      { numRuns: RUNS },
    );
  }
});

test("cookies have one key only where all servers read the same in them", () => {
  const readers = readersOf(/; ?/, /[;,]/);
  const maker = makerOf({ cookies: ["id"] });
  const keyOf = (cookie: string): string => maker.of(requestOf({ request: { cookie } }), "http").text;
  fc.assert(
    fc.property(twins("; "), ([one, other]) => {
      if (keyOf(one) !== keyOf(other)) return;
      assert.deepEqual(readings(readers, one, "id"), readings(readers, other, "id"), `${one} and ${other}`);
    }),
    { numRuns: RUNS },
  );
});
