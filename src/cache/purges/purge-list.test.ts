import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Purge, PurgeKind, PurgeVerdict } from "./purge.ts";
import { createPurges, PurgeList } from "./purge-list.ts";

const NOW = Date.UTC(2026, 5);

function purge(kind: keyof typeof PurgeKind, text: string = "", isSoft: boolean = false): Purge {
  return { kind: PurgeKind[kind], text, isSoft };
}

const soft = (kind: keyof typeof PurgeKind, text?: string): Purge => purge(kind, text, true);

/** Two threads' lists on one memory. */
function createLists(mostBytes?: number): [PurgeList, PurgeList] {
  const memory = createPurges(NOW, mostBytes);
  return [new PurgeList(memory, 0), new PurgeList(memory, 1)];
}

describe("a list of purges", () => {
  test("is one number for all threads until something is purged", () => {
    const [one, other] = createLists();
    const before = one.generation;
    assert.equal(other.verdict(before, "a", ""), PurgeVerdict.Kept);
    const after = one.add(purge("Key", "a"));
    assert.deepEqual([after, other.generation], [before + 1, before + 1]);
    assert.equal(other.verdict(before, "a", ""), PurgeVerdict.Gone);
    assert.equal(other.verdict(after, "a", ""), PurgeVerdict.Kept);
  });

  test("hits keys with their variants, prefixes, tags, or all", () => {
    const verdicts = (...purges: Purge[]): number[] => {
      const [one, other] = createLists();
      const before = one.generation;
      for (const each of purges) one.add(each);
      const entries = [
        ["http://a/b", ""],
        ["http://a/b\n7\nfoo:1", " x "],
        ["http://a/bc", " xy x "],
        ["http://", " y "],
      ];
      return entries.map(([key, tags]) => other.verdict(before, key!, tags!));
    };
    const { Kept, Stale, Gone } = PurgeVerdict;
    assert.deepEqual(verdicts(purge("Key", "http://a/b")), [Gone, Gone, Kept, Kept]);
    assert.deepEqual(verdicts(soft("Prefix", "http://a/b")), [Stale, Stale, Stale, Kept]);
    assert.deepEqual(verdicts(purge("Prefix", "http://a/bc"), soft("Prefix", "h")), [
      Stale,
      Stale,
      Gone,
      Stale,
    ]);
    assert.deepEqual(verdicts(purge("Tag", "x"), purge("Tag", "")), [Kept, Gone, Gone, Kept]);
    assert.deepEqual(verdicts(soft("All"), purge("Tag", "y")), [Stale, Stale, Stale, Gone]);
    assert.deepEqual(verdicts(purge("All"), soft("Key", "http://a/b")), [Gone, Gone, Gone, Gone]);
  });

  test("doesn't let a soft purge hide a hard one before it, or one of a text another", () => {
    const [list] = createLists();
    const before = list.generation;
    list.add(purge("Key", "a"));
    const between = list.generation;
    list.add(soft("Key", "a"));
    const { Gone, Stale, Kept } = PurgeVerdict;
    assert.deepEqual([list.verdict(before, "a", ""), list.verdict(between, "a", "")], [Gone, Stale]);
    list.add(purge("Tag", "a"));
    assert.deepEqual(
      [list.verdict(list.generation, "a", " a "), list.verdict(between + 1, "a", "")],
      [Kept, Kept],
    );
  });

  test("judges as one does who keeps all purges, however little room there is", () => {
    const texts = fc.constantFrom("a", "ab", "abc", "b", "");
    const kinds = fc.constantFrom(...Object.values(PurgeKind));
    const purges = fc.array(fc.record({ kind: kinds, text: texts, isSoft: fc.boolean() }), { maxLength: 40 });
    const fillers = fc.nat(600);
    fc.assert(
      fc.property(purges, texts, texts, fillers, (all, key, tag, filler) => {
        const [list, other] = createLists(4096);
        const generations = [list.generation];
        for (const one of all) {
          list.add(purge("Tag", `${generations.length}`.padEnd(filler, "~")));
          generations.push(list.add(one));
          // One that reads now and then, and one that reads all at once.
          if (one.isSoft) list.verdict(0, "", "");
        }
        for (const [at, generation] of generations.entries()) {
          const due = naiveVerdict(all.slice(at), key, tag);
          for (const verdict of [list, other].map((each) => each.verdict(generation, key, tag && ` ${tag} `)))
            assert.ok(verdict === due || (verdict === PurgeVerdict.Revalidate && filler > 0), `${verdict}`);
        }
      }),
      { numRuns: 100 },
    );
  });

  test("keeps what was purged often only once, and forgets the oldest when there is no room", () => {
    const [list, other] = createLists(4096);
    const before = list.generation;
    list.add(purge("Key", "first"));
    for (let i = 0; i < 2000; i++) list.add(purge("Key", `again ${i % 3}`));
    assert.equal(other.verdict(before, "another", ""), PurgeVerdict.Kept);
    assert.equal(other.verdict(before, "first", ""), PurgeVerdict.Gone);
    const between = list.generation;
    for (let i = 0; i < 2000; i++) list.add(purge("Key", `another ${i}`));
    assert.equal(other.verdict(between, "whatever", ""), PurgeVerdict.Revalidate);
    assert.equal(other.verdict(between, "another 1999", ""), PurgeVerdict.Gone);
    assert.equal(other.verdict(list.generation - 20, "whatever", ""), PurgeVerdict.Kept);
    // Longer than all the room there is.
    const then = list.generation;
    list.add(purge("Key", "x".repeat(10_000)));
    assert.equal(other.verdict(then, "x".repeat(10_000), ""), PurgeVerdict.Revalidate);
  });

  test("trusts no generation that it doesn't know", () => {
    const [list] = createLists();
    const { generation } = list;
    for (const unknown of [0, generation - 1, generation + 1])
      assert.equal(list.verdict(unknown, "a", ""), PurgeVerdict.Revalidate);
    const later = new PurgeList(createPurges(NOW + 1000), 0);
    assert.equal(later.verdict(generation, "a", ""), PurgeVerdict.Revalidate);
    list.forget();
    assert.equal(list.verdict(generation, "a", ""), PurgeVerdict.Revalidate);
    assert.equal(list.verdict(list.generation, "a", ""), PurgeVerdict.Kept);
  });
});

describe("numbers of all machines", () => {
  test("tell a generation, and the other way round", () => {
    const [list, other] = createLists();
    const start = list.generation;
    list.addRemote(purge("Key", "a"), 100);
    list.add(purge("Key", "here"));
    list.addRemote(purge("Key", "b"), 250);
    const generations = [0, 99, 100, 249, 250, 251].map((number) => other.generationOf(number));
    assert.deepEqual(generations, [0, start, start + 2, start + 2, start + 3, 0]);
    const numbers = [-1, 0, 1, 2, 3, 4].map((after) => other.remoteOf(start + after));
    assert.deepEqual(numbers, [-1, 0, 100, 100, 250, -1]);
  });

  test("from before something was missed, or forgotten, are worth nothing", () => {
    const [list] = createLists(4096);
    list.addRemote(purge("Key", "a"), 100);
    list.forget(300);
    assert.deepEqual([list.remote, list.generationOf(100), list.generationOf(299)], [300, 0, 0]);
    assert.equal(list.generationOf(300), list.generation);
    for (let i = 1; i <= 500; i++) list.addRemote(purge("Key", `key ${i}`), 300 + i);
    assert.deepEqual([list.generationOf(301), list.generationOf(799)], [0, list.generation - 1]);
    assert.equal(list.verdict(list.generationOf(799), "key 500", ""), PurgeVerdict.Gone);
  });
});

function naiveVerdict(purges: readonly Purge[], key: string, tag: string): number {
  const hits = purges.filter(({ kind, text }) => {
    if (kind === PurgeKind.Key) return text === key;
    if (kind === PurgeKind.Prefix) return key.startsWith(text);
    return kind === PurgeKind.All || (tag !== "" && text === tag);
  });
  if (hits.some(({ isSoft }) => !isSoft)) return PurgeVerdict.Gone;
  return hits.length > 0 ? PurgeVerdict.Stale : PurgeVerdict.Kept;
}
