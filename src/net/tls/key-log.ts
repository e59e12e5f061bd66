import { openSync, writeSync } from "node:fs";

/**
 * Appends the secrets of connections to `file`, which lets Wireshark read them; whoever has the file can read them, too.
 * Lines are written at once: each is short, and they are logged for a person who looks into something.
 * @throws Error when the file can't be written
 */
export function openKeyLog(file: string): (line: Buffer) => void {
  const descriptor = openSync(file, "a", 0o600);
  return (line) => {
    try {
      writeSync(descriptor, line);
    } catch {
      // A full disk must not end connections.
    }
  };
}
