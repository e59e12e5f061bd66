import { type Purge, PurgeKind, type PurgeKindCode } from "../../purges/purge.ts";

/*
 * How machines tell one another what isn't to be served any more. Purges are numbered, and the last ones kept in a list for those who were away:
 *
 *     1798761600000000 1798761599999000 K http://example.com/
 *     number           the one before   kind, in lower case when it is soft, and the text
 *
 * Numbers are microseconds of Redis's clock, and in any case greater than the one before and all that its sender knows; so they go on growing
 * also when Redis has lost all it had. The kind `-` says that there may have been others that nobody can tell any more.
 *
 * What requests have changed is only said, to those who listen: `I 5f1c… http://example.com/`, with the name of whom it is from.
 */

const LETTERS = "KPTA";
const UNKNOWN = "-";
const MESSAGE = /^(\d{1,16}) (\d{1,16}) ([KPTA-])(.*)$/is;
const CHANGE = /^I (\S+) (.*)$/s;

/**
 * Numbers a purge, keeps it and tells all. Its key, the purge, the channel, how many are kept, the last number that its sender knows,
 * and 1 when it is wanted only where the list doesn't go as far as that ▶ the message, or nothing
 */
const PUBLISH = `
local last = redis.call("LINDEX", KEYS[1], -1)
local before = last and string.match(last, "^(%d+) ") or "0"
if ARGV[5] == "1" and last and tonumber(before) >= tonumber(ARGV[4]) then return "" end
local time = redis.call("TIME")
local number = math.max(tonumber(before) + 1, tonumber(ARGV[4]) + 1, time[1] * 1000000 + time[2])
local message = string.format("%.0f", number) .. " " .. before .. " " .. ARGV[1]
redis.call("RPUSH", KEYS[1], message)
redis.call("LTRIM", KEYS[1], -tonumber(ARGV[3]), -1)
redis.call("PUBLISH", ARGV[2], message)
return message`;

/** Removes an entry and tells all. Its key, the channel, the message */
export const CHANGED = `
redis.call("UNLINK", KEYS[1])
redis.call("PUBLISH", ARGV[1], ARGV[2])
return 1`;

/** Purges that are kept for machines that were away. */
const KEPT_PURGES = 1000;

/** The key of the list, and the channel. */
export function purgesName(prefix: string): string {
  return `${prefix}purges`;
}

/**
 * What Redis is asked so that all hear of a purge.
 * @param purge as `encodePurge` gives it
 * @param known the last number that is known here
 */
export function publishWords(name: string, purge: string, known: number): readonly string[] {
  return ["EVAL", PUBLISH, "1", name, purge, name, `${KEPT_PURGES}`, `${known}`, "0"];
}

/** What Redis is asked so that the list goes as far as what is known here, and isn't empty. */
export function markWords(name: string, known: number): readonly string[] {
  return ["EVAL", PUBLISH, "1", name, UNKNOWN, name, `${KEPT_PURGES}`, `${known}`, "1"];
}

export interface PurgeMessage {
  readonly number: number;
  /** The number of the one before; 0: there was none. */
  readonly before: number;
  /** Null: whatever there was. */
  readonly purge: Purge | null;
}

/** What of a message its sender knows; null: there were more than he could keep. */
export function encodePurge(purge: Purge | null): string {
  if (purge === null) return UNKNOWN;
  const letter = LETTERS[purge.kind]!;
  return `${purge.isSoft ? letter.toLowerCase() : letter}${purge.text}`;
}

/** @returns null when it is none */
export function parseMessage(message: string): PurgeMessage | null {
  const [, number, before, letter, text] = MESSAGE.exec(message) ?? [];
  if (number === undefined || before === undefined || letter === undefined || text === undefined) return null;
  return { number: Number(number), before: Number(before), purge: toPurge(letter, text) };
}

function toPurge(letter: string, text: string): Purge | null {
  if (letter === UNKNOWN) return null;
  const kind = LETTERS.indexOf(letter.toUpperCase()) as PurgeKindCode;
  return { kind, text: kind === PurgeKind.All ? "" : text, isSoft: letter !== letter.toUpperCase() };
}

/** That something was changed, as it is said to all. */
export interface ChangeMessage {
  /** The machine that says it. */
  readonly from: string;
  /** Of the key. */
  readonly text: string;
}

export function encodeChange({ from, text }: ChangeMessage): string {
  return `I ${from} ${text}`;
}

/** @returns null when it is none */
export function parseChange(message: string): ChangeMessage | null {
  const [, from, text] = CHANGE.exec(message) ?? [];
  return from === undefined || text === undefined ? null : { from, text };
}
