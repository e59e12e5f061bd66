import { writeSync } from "node:fs";
import { describeThrown } from "../../base/errors.ts";
import { AppendedFile, openAtOnce } from "../../base/log-files.ts";

/**
 * Appends the secrets of connections to `file`, which lets Wireshark read them; whoever has the file can read them, too.
 * Lines are written at once: each is short, and they are logged for a person who looks into something.
 * @throws Error that names the file when it can't be written
 */
export function openKeyLog(file: string): (line: Buffer) => void {
  const log = new AppendedFile(file, open);
  return (line) => {
    try {
      writeSync(log.descriptor, line);
    } catch {
      // A full disk must not end connections.
    }
  };
}

function open(file: string): number {
  try {
    return openAtOnce(file, 0o600);
  } catch (error) {
    throw new Error(`the log of TLS keys can't be written: ${describeThrown(error)}`, { cause: error });
  }
}
