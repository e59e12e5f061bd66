import { readFileSync } from "node:fs";
import { wholeNumber } from "./options.ts";
import { ClientFailure } from "./steering/client-command.ts";

const MOST_PID = 2 ** 22;

/** The number of a process, on a command line. None has 0: a signal to that goes to all around us. */
export const toPid: (value: string) => number = wholeNumber(MOST_PID, 1);

/** The number that a file holds. @throws ClientFailure */
export function readPid(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new ClientFailure(`${file} tells no process: ${(error as Error).message}`, { cause: error });
  }
  if (!/^[1-9]\d*$/.test(text)) throw new ClientFailure(`${file} holds no process id`);
  return Number(text);
}

/** The number that a file holds, if there is one. */
export function pidIn(file: string): number | null {
  try {
    return readPid(file);
  } catch {
    return null;
  }
}
