import type { Message } from "./frames.ts";

/** The version of what is spoken between two processes; others aren't understood. */
export const PROTOCOL = 1;

/** What a process tells of itself. */
export interface Introduction {
  readonly pid: number;
  readonly version: string;
}

/** The message, which has to be of this type. @throws Error in the other one's words when it said something else */
export function expect(message: Message, type: string): Message {
  if (message.type === type) return message;
  const { message: reason } = message;
  throw new Error(typeof reason === "string" ? reason : `it said ${message.type} and not ${type}`);
}
