import { hash } from "node:crypto";
import { join } from "node:path";
import { SHARDS } from "./disk-memory.ts";
import type { FileId } from "./file-format.ts";

/*
 *     <folder>/ sluice-cache   what it is, and the format
 *               owner          whose the folder is
 *               purges         what was purged of what is in it
 *               under-way/     files that are being written: <name>.<process>.<its start>
 *               00/ … ff/      whole files: <hash of the key>-<id>
 */
export const MARKER = "sluice-cache";
export const OWNER = "owner";
export const PURGES = "purges";
export const UNDER_WAY = "under-way";

const NAME = /^([0-9a-f]{32})-([0-9a-f]{16})$/;

/** A name is made of a hash and a number alone: nothing that a client sent is ever part of a path. */
export function nameOf(hashWords: Int32Array, id: FileId): string {
  let name = "";
  for (let i = 0; i < 4; i++) name += hex(hashWords[i]!);
  return `${name}-${hex(id.high)}${hex(id.low)}`;
}

function shardName(shard: number): string {
  return shard.toString(16).padStart(2, "0");
}

export const shardNames: readonly string[] = Array.from({ length: SHARDS }, (_, shard) => shardName(shard));

/** The first two digits of the name. */
export function shardOf(hashWords: Int32Array): number {
  return hashWords[0]! >>> 24;
}

export function pathOf(folder: string, name: string): string {
  return join(folder, name.slice(0, 2), name);
}

/** Fills in hash and id; false when it is no name of ours. */
export function parseName(name: string, hashWords: Int32Array, id: { high: number; low: number }): boolean {
  const parts = NAME.exec(name);
  if (parts === null) return false;
  for (let i = 0; i < 4; i++) hashWords[i] = Number.parseInt(parts[1]!.slice(8 * i, 8 * i + 8), 16);
  id.high = Number.parseInt(parts[2]!.slice(0, 8), 16) | 0;
  id.low = Number.parseInt(parts[2]!.slice(8), 16) | 0;
  return true;
}

/**
 * The hash that a file is named by: of the text alone, so that it is the same after a restart, and one that nobody finds two
 * texts for.
 */
export function hashText(text: string, into: Int32Array): void {
  const digest = hash("sha256", text, "buffer");
  for (let i = 0; i < 4; i++) into[i] = digest.readInt32BE(4 * i);
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}
