import { setImmediate } from "node:timers/promises";
import type { CacheStore } from "../../../src/cache/store.ts";
import { beginEntry, readBody, textKey } from "../../kit/disk-cache.ts";
import { createRandom, type Random } from "../../kit/random.ts";
import { bodyOf, check, newContent, putContent, renew } from "./contents.ts";

/** At the same time in a thread. */
const ACTORS = 8;

/** What a thread has done, and what was wrong; read while it works. */
export interface Done {
  reads: number;
  writes: number;
  readonly faults: string[];
}

/** Reads, writes, replaces, renews, gives up and removes entries until it is over. */
export async function work(
  store: CacheStore,
  keys: number,
  seed: number,
  isOver: () => boolean,
): Promise<Done> {
  const done: Done = { reads: 0, writes: 0, faults: [] };
  const random = createRandom(seed);
  const act = async (): Promise<void> => {
    while (!isOver() && done.faults.length === 0) {
      await actOnce(store, `k${Math.floor(keys * random.next() ** 2)}`, random, done).catch(
        (error: Error) => {
          if (!isExpected(error)) done.faults.push(String(error.stack));
        },
      );
    }
  };
  await Promise.all(Array.from({ length: ACTORS }, act));
  return done;
}

/** What happens under such a load, and to nobody's harm. */
function isExpected({ message }: Error): boolean {
  return /refused|no room|longer than|closed|the entry failed/.test(message);
}

async function actOnce(store: CacheStore, key: string, random: Random, done: Done): Promise<void> {
  await setImmediate();
  const kind = random.below(100);
  if (kind < 45) {
    const found = await check(store, key);
    if (typeof found === "string") done.faults.push(found);
    done.reads++;
    if (found !== false) return;
  }
  if (kind >= 90) return rareAct(store, key, random, kind);
  await putContent(store, newContent(key, random));
  done.writes++;
}

async function rareAct(store: CacheStore, key: string, random: Random, kind: number): Promise<void> {
  if (kind < 94) return renew(store, key);
  if (kind < 96) return void (await store.remove(textKey(key)));
  const content = newContent(key, random);
  const body = bodyOf(content);
  const writer = beginEntry(store, key, JSON.stringify(content));
  const entry = writer.open()!;
  writer.write(body, 0, Math.floor(body.length * random.next()));
  await readBody(entry, 0, entry.length).finally(() => {
    writer.abort();
    entry.release();
  });
}
