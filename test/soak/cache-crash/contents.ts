import type { CacheEntry, CacheStore } from "../../../src/cache/store.ts";
import { put, readBody, textKey } from "../../kit/disk-cache.ts";
import { patternBytes } from "../../kit/pattern.ts";
import type { Random } from "../../kit/random.ts";

/** What an entry says of itself; its body follows from that. */
interface Content {
  readonly key: string;
  readonly version: number;
  readonly length: number;
  /** Counts the updates of its meta. */
  readonly renewals: number;
}

const VERSIONS = 8_000;

/** Short ones mostly, some of several blocks, and now and then a long one. */
export function randomLength(random: Random): number {
  const kind = random.below(20);
  if (kind < 12) return random.below(6_000);
  return kind < 19 ? random.below(200_000) : random.below(1_500_000);
}

export function newContent(key: string, random: Random): Content {
  return { key, version: random.below(VERSIONS), length: randomLength(random), renewals: 0 };
}

export async function putContent(store: CacheStore, content: Content): Promise<void> {
  await put(store, content.key, bodyOf(content), JSON.stringify(content));
}

export function bodyOf({ key, version, length }: Content): Buffer {
  return patternBytes(length, 0, Number(key.slice(1)) * VERSIONS + version);
}

/** @returns what is wrong with what an entry gives, or null */
export async function findFault(entry: CacheEntry, key: string): Promise<string | null> {
  const content = JSON.parse(entry.meta.toString()) as Content;
  if (content.key !== key) return `${key} gives the meta of ${content.key}`;
  const body = await readBody(entry);
  if (body.equals(bodyOf(content))) return null;
  return `${key} gives ${body.length} bytes that aren't those of ${entry.meta.toString()}`;
}

/** Looks at one entry. @returns whether there was one, or what is wrong */
export async function check(store: CacheStore, key: string): Promise<boolean | string> {
  const entry = await store.find(textKey(key));
  if (entry === null) return false;
  try {
    return (await findFault(entry, key)) ?? true;
  } finally {
    entry.release();
  }
}

export async function renew(store: CacheStore, key: string): Promise<void> {
  const entry = await store.find(textKey(key));
  if (entry === null) return;
  try {
    const content = JSON.parse(entry.meta.toString()) as Content;
    await store.update(entry, Buffer.from(JSON.stringify({ ...content, renewals: content.renewals + 1 })));
  } finally {
    entry.release();
  }
}
