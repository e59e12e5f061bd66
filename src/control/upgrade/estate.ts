import type { Message } from "./frames.ts";
import type { HandedSockets } from "./inherited-sockets.ts";

/** What a process knows that the one after it can't find out from its configuration. Plain data, as JSON has it. */
export interface Memories {
  /** By who remembers it; whoever reads one has to see whether it is what it once wrote. */
  readonly [subject: string]: unknown;
}

/** All that one process leaves to another. */
export interface Estate {
  readonly sockets: readonly HandedSockets[];
  readonly memories: Memories;
}

/** Sockets in a message: descriptors travel beside it, in the same order. */
interface SocketEntry {
  readonly owner: string;
  readonly address: string;
  readonly count: number;
  readonly isForeign: boolean;
}

export function toEstateMessage({ sockets, memories }: Estate): Message {
  const entries = sockets.map(({ owner, address, descriptors, isForeign = false }) => {
    return { owner, address, count: descriptors.length, isForeign } satisfies SocketEntry;
  });
  return { type: "estate", sockets: entries, memories };
}

/** @throws TypeError when the message and its descriptors don't belong together */
export function fromEstateMessage(message: Message, descriptors: readonly number[]): Estate {
  const { type, sockets: entries, memories } = message;
  if (type !== "estate" || !Array.isArray(entries) || !entries.every(isSocketEntry) || !isObject(memories))
    throw new TypeError("What the other process leaves can't be understood");
  let used = 0;
  const sockets = entries.map(({ owner, address, count, isForeign }) => {
    used += count;
    return { owner, address, descriptors: descriptors.slice(used - count, used), isForeign };
  });
  if (used !== descriptors.length)
    throw new TypeError(`The other process left ${descriptors.length} descriptors and tells of ${used}`);
  return { sockets, memories };
}

function isSocketEntry(value: unknown): value is SocketEntry {
  if (!isObject(value)) return false;
  const { owner, address, count, isForeign } = value;
  const isCount = typeof count === "number" && Number.isInteger(count) && count > 0;
  const isNamed = typeof owner === "string" && typeof address === "string";
  return isNamed && isCount && typeof isForeign === "boolean";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
