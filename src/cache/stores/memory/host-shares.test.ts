import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { cacheKey, readEntry, writeEntry } from "../../../../test/kit/cache-store.ts";
import { patternBytes } from "../../../../test/kit/pattern.ts";
import { MemoryStore } from "./memory-store.ts";
import { allocateMemoryStore, Header, StoreMemory } from "./store-memory.ts";

const MIB = 1 << 20;

function openStore(hostShare: number): { store: MemoryStore; memory: StoreMemory } {
  const buffer = allocateMemoryStore({ mostBytes: MIB, mostEntryBytes: MIB / 4, hostShare, rows: 1 });
  return { store: new MemoryStore(buffer, 0), memory: new StoreMemory(buffer) };
}

/** Writes entries of a host. @returns how many it took */
async function flood(store: MemoryStore, host: string, count: number, size = 3000): Promise<number> {
  let taken = 0;
  for (let i = 0; i < count; i++) {
    if (await writeEntry(store, `https://${host}/${i}`, ["m", patternBytes(size)])) taken++;
  }
  return taken;
}

async function kept(store: MemoryStore, host: string, count: number): Promise<number> {
  const found = await Promise.all(
    Array.from({ length: count }, (_, i) => readEntry(store, `https://${host}/${i}`)),
  );
  return found.filter((entry) => entry !== null).length;
}

/** Of each slot, what it says that its host has. */
function counted({ words, at, hosts }: StoreMemory): number[] {
  return Array.from({ length: hosts }, (_, slot) => words[at.hosts + slot * 2 + 1]!).filter(
    (units) => units > 0,
  );
}

describe("the share of a host", () => {
  test("is all of the memory as long as nobody else wants any", async () => {
    const { store } = openStore(0.25);
    assert.equal(await flood(store, "one.example", 300, 9000), 300);
    const { bytes, mostBytes } = store.stats;
    assert.ok(bytes > 0.9 * mostBytes, `${bytes} of ${mostBytes}`);
  });

  test("is what others can't be pushed out beyond", async () => {
    const { store } = openStore(0.25);
    await flood(store, "loud.example", 60);
    await flood(store, "quiet.example", 100);
    assert.equal(await flood(store, "loud.example", 700), 700, "all of it is taken");
    assert.equal(await kept(store, "quiet.example", 100), 100);
  });

  test("is less than what it had, once others come", async () => {
    const { store, memory } = openStore(0.25);
    await flood(store, "loud.example", 400);
    for (const host of ["a.example", "b.example", "c.example"]) await flood(store, host, 300);
    await flood(store, "loud.example", 300);
    const share = 0.25 * memory.pages * memory.pageUnits;
    // The others have it all, and one entry more is over it.
    assert.ok(
      counted(memory).every((units) => units < 2 * share),
      `${counted(memory)} of ${share}`,
    );
  });

  test("can be refused to one whose own are all held", async () => {
    const { store } = openStore(0.5);
    await flood(store, "loud.example", 120, 4500);
    const held = Array.from({ length: 120 }, (_, i) => store.find(cacheKey(`https://loud.example/${i}`))!);
    await flood(store, "quiet.example", 300, 3000);
    assert.ok((await flood(store, "loud.example:81", 20, 4500)) === 20, "another port is another host");
    assert.equal(await writeEntry(store, "https://loud.example/new", ["m", patternBytes(4500)]), false);
    for (const entry of held) entry.release();
    assert.ok(await writeEntry(store, "https://loud.example/new", ["m", patternBytes(4500)]));
  });

  test("knows no host of a text that is no URL, and lets it have all", async () => {
    const { store, memory } = openStore(0.25);
    for (let i = 0; i < 1000; i++) assert.ok(await writeEntry(store, `key ${i}`, ["m", patternBytes(2000)]));
    assert.deepEqual(counted(memory), []);
  });

  test("is counted exactly, whatever is written, replaced, freshened and removed", async () => {
    const operation = fc.record({
      kind: fc.constantFrom("write", "write", "write", "update", "remove", "clear"),
      host: fc.nat(40),
      path: fc.nat(5),
      size: fc.nat(40_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { maxLength: 150 }), async (operations) => {
        const { store, memory } = openStore(0.1);
        for (const { kind, host, path, size } of operations) {
          const key = `https://${host}.example/${path}`;
          if (kind === "write")
            await writeEntry(store, key, ["m", Buffer.alloc(size)], {
              announced: size % 2 === 0,
              step: 9000,
            });
          else if (kind === "update") {
            const entry = store.find(cacheKey(key));
            if (entry !== null) store.update(entry, Buffer.alloc(size / 100));
            entry?.release();
          } else if (kind === "remove") store.remove(cacheKey(key));
          else if (size < 400) store.clear();
        }
        const sum = counted(memory).reduce((units, more) => units + more, 0);
        assert.equal(sum, memory.words[Header.Units]);
      }),
      { numRuns: 25 },
    );
  });
});
