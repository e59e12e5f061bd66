import type { Stats } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { DiskIndex } from "./disk-index.ts";
import { inDiskBlocks } from "./disk-writer.ts";
import { type FileCalls, isMissing } from "./file-calls.ts";
import { parseName, shardNames } from "./file-names.ts";

/** Files that are looked at at the same time. */
const MOST_AT_ONCE = 4;

/** What of a folder the index doesn't count: the folder itself, and files that aren't ours. */
export interface ShardRest {
  readonly bytes: number;
  /** Names that aren't of ours. */
  readonly strangers: readonly string[];
}

interface Visit {
  readonly folder: string;
  readonly index: DiskIndex;
  readonly calls: FileCalls;
  readonly names: string[];
  readonly strangers: string[];
  bytes: number;
}

/**
 * Tells the index of all files of a shard; those that it knows already stay as they are. Of two files of the same key the later one
 * counts, the other one is removed: a process that dies between a new file and the removal of the old one leaves both.
 */
export async function scanShard(
  root: string,
  shard: number,
  index: DiskIndex,
  calls: FileCalls,
): Promise<ShardRest> {
  const folder = join(root, shardNames[shard]!);
  const names = await namesIn(folder);
  const bytes = await bytesOf(folder);
  const visit: Visit = { folder, index, calls, names, strangers: [], bytes };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, () => visitFiles(visit)));
  index.setScanned(shard);
  return visit;
}

/** The later file of a key comes before the earlier one when they are taken from the end. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function visitFiles(visit: Visit): Promise<void> {
  const hash = new Int32Array(4);
  const id = { high: 0, low: 0 };
  for (let name = visit.names.pop(); name !== undefined; name = visit.names.pop()) {
    const path = join(visit.folder, name);
    const stats = await lstatOrNull(path);
    if (stats === null) continue;
    const charge = Math.max(512 * stats.blocks, inDiskBlocks(stats.size));
    if (!parseName(name, hash, id) || !stats.isFile()) {
      visit.strangers.push(path);
      visit.bytes += charge;
    } else if (visit.index.meet(hash, id, stats.size, charge) === "stale") await visit.calls.remove(path);
  }
}

async function lstatOrNull(path: string): Promise<Stats | null> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** What something takes on the disk. */
export async function bytesOf(path: string): Promise<number> {
  const stats = await lstatOrNull(path);
  return stats === null ? 0 : 512 * stats.blocks;
}
