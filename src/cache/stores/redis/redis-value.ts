import { META_VERSION } from "../../meta-layout.ts";

/*
 * An entry as one value of Redis, so that it comes and goes as a whole; little endian:
 *
 *     | version: u32 | length of key: u32 | id: 8 bytes | purges: f64 | length of meta: u32 | 0: u32 | key in UTF-8 | meta | body |
 */

const VERSION = 0x31_43_4c_53;
/** Stands in the names of keys, so that processes of different versions leave one another's alone. It changes with whatever is said here. */
export const VALUE_FORMAT: string = `1.${META_VERSION}`;
const KEY_LENGTH = 4;
/** Where the id begins and ends, of which Redis itself makes sure before it changes an entry. */
const ID_START = 8;
const ID_END = 16;
const NUMBER = 16;
const META_LENGTH = 24;
const HEAD = 32;

/**
 * Puts another head before a body that Redis has, if it is still the one that is meant. Its key, the id, the head, milliseconds ▶ whether it
 * was
 */
export const REPLACE_HEAD: string = `
local old = redis.call("GET", KEYS[1])
if not old or string.sub(old, ${ID_START + 1}, ${ID_END}) ~= ARGV[1] then return 0 end
local function length(at)
  local a, b, c, d = string.byte(old, at + 1, at + 4)
  return a + b * 256 + c * 65536 + d * 16777216
end
local body = ${HEAD} + length(${KEY_LENGTH}) + length(${META_LENGTH})
redis.call("SET", KEYS[1], ARGV[2] .. string.sub(old, body + 1), "PX", ARGV[3])
return 1`;

/** What a value says before the body. */
export interface RedisValueHead {
  /** 8 bytes that tell it from others under its key, whoever asks: made of its meta. */
  readonly id: Buffer;
  /** Of the last purge of all machines that it isn't subject to; -1: nobody knows. */
  readonly number: number;
  readonly key: string;
  readonly meta: Buffer;
}

export interface RedisValue extends RedisValueHead {
  readonly body: Buffer;
}

/** Bytes that stand before the body. */
export function headLength(key: string, meta: Buffer): number {
  return HEAD + Buffer.byteLength(key) + meta.length;
}

export function encodeHead({ id, number, key, meta }: RedisValueHead): Buffer {
  const bytes = Buffer.allocUnsafe(headLength(key, meta));
  const keyLength = Buffer.byteLength(key);
  bytes.writeUInt32LE(VERSION, 0);
  bytes.writeUInt32LE(keyLength, KEY_LENGTH);
  id.copy(bytes, ID_START);
  bytes.writeDoubleLE(number, NUMBER);
  bytes.writeUInt32LE(meta.length, META_LENGTH);
  bytes.writeUInt32LE(0, META_LENGTH + 4);
  bytes.write(key, HEAD);
  meta.copy(bytes, HEAD + keyLength);
  return bytes;
}

/** @returns null when it is none, or that of another key */
export function readValue(bytes: Buffer, key: string): RedisValue | null {
  if (bytes.length < HEAD || bytes.readUInt32LE(0) !== VERSION) return null;
  const metaAt = HEAD + bytes.readUInt32LE(KEY_LENGTH);
  const bodyAt = metaAt + bytes.readUInt32LE(META_LENGTH);
  if (bodyAt > bytes.length || bytes.toString("utf8", HEAD, metaAt) !== key) return null;
  return {
    id: bytes.subarray(ID_START, ID_END),
    number: bytes.readDoubleLE(NUMBER),
    key,
    meta: bytes.subarray(metaAt, bodyAt),
    body: bytes.subarray(bodyAt),
  };
}
