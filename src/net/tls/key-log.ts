import { constants, openSync, writeSync } from "node:fs";
import { describeThrown } from "../../base/errors.ts";
import { AppendedFile } from "../../base/log-files.ts";

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

/** To wait for somebody to read a pipe would be to wait for ever; what its reader is too slow for is left out. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

function open(file: string): number {
  try {
    return openSync(file, FLAGS, 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENXIO" ? `nobody reads the pipe ${file}` : describeThrown(error);
    throw new Error(`the log of TLS keys can't be written: ${reason}`, { cause: error });
  }
}
