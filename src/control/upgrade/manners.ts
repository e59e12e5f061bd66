import type { Message } from "./frames.ts";

/** The version of what is spoken between two processes; others aren't understood. */
export const PROTOCOL = 1;

/** What a process tells of itself. */
export interface Introduction {
  readonly pid: number;
  readonly version: string;
}

/** A successor doesn't take the place, in its own words. It ends by itself, when whom it has accepted is answered. */
export class Renunciation extends Error {}

/** The message, which has to be of this type. @throws Error in the other one's words when it said something else */
export function expect(message: Message, type: string): Message {
  if (message.type === type) return message;
  const { message: reason } = message;
  const words = typeof reason === "string" ? reason : `it said ${message.type} and not ${type}`;
  throw message.type === "failed" ? new Renunciation(words) : new Error(words);
}
