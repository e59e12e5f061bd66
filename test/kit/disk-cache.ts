import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { idleAlarms } from "../../src/base/alarms.ts";
import type { CacheEntry, CacheKey, CacheStore, EntryWriter } from "../../src/cache/store.ts";
import { DiskKeeper, type DiskKeeperOptions } from "../../src/cache/stores/disk/disk-keeper.ts";
import { allocateDiskMemory, type DiskBounds } from "../../src/cache/stores/disk/disk-memory.ts";
import { DiskStore, type DiskStoreOptions } from "../../src/cache/stores/disk/disk-store.ts";
import type { DiskProblem } from "../../src/cache/stores/disk/problems.ts";

/** A cache on disk in one thread: what a process would have of it. */
export interface DiskCache extends AsyncDisposable {
  readonly folder: string;
  readonly memory: SharedArrayBuffer;
  readonly keeper: DiskKeeper;
  readonly store: DiskStore;
  readonly problems: DiskProblem[];
}

export type DiskCacheOptions = Partial<DiskBounds & Pick<DiskStoreOptions, "now">> & {
  readonly mark?: string;
  readonly keeper?: Partial<DiskKeeperOptions>;
  readonly calls?: DiskStoreOptions["calls"];
  readonly onMissed?: (text: string) => void;
  readonly isMeta?: (bytes: Buffer) => boolean;
  /** Whether it is waited for until all files are known. Default: yes */
  readonly isReady?: boolean;
};

const MIB = 1024 * 1024;

export async function openDiskCache(folder: string, options: DiskCacheOptions = {}): Promise<DiskCache> {
  const { now = Date.now, mark = "one", calls, onMissed, isMeta } = options;
  const { isReady = true, mostBytes = 64 * MIB } = options;
  const memory = allocateDiskMemory({ ...options, mostBytes });
  const problems: DiskProblem[] = [];
  const onProblem = (problem: DiskProblem): number => problems.push(problem);
  const means = { folder, memory, purges: null, clock: idleAlarms, now, mark, onProblem };
  const keeper = await DiskKeeper.open({ ...means, ...options.keeper });
  const store = new DiskStore({
    folder,
    memory,
    thread: 0,
    now,
    onProblem,
    ...(calls && { calls }),
    ...(onMissed && { onMissed }),
    ...(isMeta && { isMeta }),
  });
  if (isReady) await keeper.ready;
  const close = async (): Promise<void> => {
    await store.close();
    await keeper.close();
  };
  return { folder, memory, keeper, store, problems, [Symbol.asyncDispose]: close };
}

/** A key for tests; its hash plays no part where files are named by the text. */
export function textKey(text: string): CacheKey {
  return { text, hash: new Int32Array(4) };
}

/** Writes a whole entry, and resolves when it is one. @rejects when the store gives it up */
export async function put(
  store: CacheStore,
  key: string,
  body: Buffer,
  meta = `meta of ${key}`,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let go: () => void = () => undefined;
  const owner = { onDrain: () => go(), onFailure: reject };
  const writer = store.begin(textKey(key), Buffer.from(meta), null, owner);
  if (writer === null) throw new Error("refused");
  const entry = writer.open()!;
  const end = (): void => {
    if (entry.state === 0) entry.whenMore(entry.length, end);
    else if (entry.state === 1) resolve();
  };
  const CHUNK = 50_000;
  try {
    for (let at = 0; at < body.length; at += CHUNK) {
      const isReady = writer.write(body, at, Math.min(at + CHUNK, body.length));
      if (!isReady) await Promise.race([promise, new Promise<void>((next) => (go = next))]);
    }
    writer.finish();
    end();
    await promise;
  } finally {
    entry.release();
  }
}

/** Begins an entry that nobody ends. */
export function beginEntry(
  store: CacheStore,
  key: string,
  meta = "meta",
  length: number | null = null,
): EntryWriter {
  const owner = { onDrain: () => undefined, onFailure: () => undefined };
  const writer = store.begin(textKey(key), Buffer.from(meta), length, owner);
  if (writer === null) throw new Error("refused");
  return writer;
}

/** All of the body, which is read as far as it comes. @rejects when it isn't whole */
export async function readBody(
  entry: CacheEntry,
  from = 0,
  to: number = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for (let at = from; at < to; ) {
    const piece = await entry.read(at, to);
    if (piece !== null) {
      parts.push(Buffer.from(piece.bytes.subarray(piece.start, piece.end)));
      at += piece.end - piece.start;
    } else if (entry.state === 2) throw new Error("the entry failed");
    else if (entry.state === 1 && at >= entry.length) break;
    else await new Promise<void>((resolve) => entry.whenMore(at, resolve));
  }
  return Buffer.concat(parts);
}

/** What the store has of the key, or null. */
export async function get(store: CacheStore, key: string): Promise<{ meta: string; body: Buffer } | null> {
  const entry = await store.find(textKey(key));
  if (entry === null) return null;
  try {
    return { meta: entry.meta.toString(), body: await readBody(entry) };
  } finally {
    entry.release();
  }
}

/** What a folder takes on the disk, as `du` counts it; what goes meanwhile doesn't count. */
export async function diskUsage(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => null);
  let bytes = (stats?.blocks ?? 0) * 512;
  if (stats?.isDirectory())
    for (const name of await readdir(path)) bytes += await diskUsage(join(path, name));
  return bytes;
}

/** The whole files of a cache. */
export async function cacheFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter((name) => /^[0-9a-f]{2}\/[0-9a-f-]{49}$/.test(name)).map((name) => join(folder, name));
}
