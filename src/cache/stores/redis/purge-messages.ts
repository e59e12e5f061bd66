import { type Purge, PurgeKind, type PurgeKindCode } from "../../purges/purge.ts";

/*
 * How machines tell one another of purges:
 *
 *     1798761600000000 1798761599999000 K http://example.com/
 *     number           the one before   kind, in lower case when it is soft, and the text
 *
 * Numbers are microseconds of Redis's clock, and in any case greater than the one before; so they go on growing also when Redis has
 * lost all it had. The last messages are kept in a list, for those who were away.
 */

const LETTERS = "KPTA";
const MESSAGE = /^(\d{1,16}) (\d{1,16}) ([KPTA])(.*)$/is;

/** Numbers a purge, keeps it and tells all. Its key, the purge, the channel, how many are kept ▶ the message */
export const PUBLISH = `
local last = redis.call("LINDEX", KEYS[1], -1)
local before = last and string.match(last, "^(%d+) ") or "0"
local time = redis.call("TIME")
local number = math.max(tonumber(before) + 1, time[1] * 1000000 + time[2])
local message = string.format("%.0f", number) .. " " .. before .. " " .. ARGV[1]
redis.call("RPUSH", KEYS[1], message)
redis.call("LTRIM", KEYS[1], -tonumber(ARGV[3]), -1)
redis.call("PUBLISH", ARGV[2], message)
return message`;

/** Purges that are kept for machines that were away. */
export const KEPT_PURGES = 1000;

/** The key of the list, and the channel. */
export function purgesName(prefix: string): string {
  return `${prefix}purges`;
}

export interface PurgeMessage {
  readonly number: number;
  /** The number of the one before; 0: there was none. */
  readonly before: number;
  readonly purge: Purge;
}

/** What of a message its sender knows. */
export function encodePurge({ kind, text, isSoft }: Purge): string {
  const letter = LETTERS[kind]!;
  return `${isSoft ? letter.toLowerCase() : letter}${text}`;
}

/** @returns null when it is none */
export function parseMessage(message: string): PurgeMessage | null {
  const [, number, before, letter, text] = MESSAGE.exec(message) ?? [];
  if (number === undefined || before === undefined || letter === undefined || text === undefined) return null;
  const kind = LETTERS.indexOf(letter.toUpperCase()) as PurgeKindCode;
  const purge = { kind, text, isSoft: letter !== letter.toUpperCase() };
  return { number: Number(number), before: Number(before), purge };
}

/** What stands for many purges that nobody could be told of. */
export const PURGE_ALL: Purge = { kind: PurgeKind.All, text: "", isSoft: false };
