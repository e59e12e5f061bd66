import { readdirSync, readlinkSync } from "node:fs";

/*
 * What this process has open, by Linux. Other files that ran in it before may still close something: whoever counts all that is open
 * counts that, too.
 */

const FOLDER = "/proc/self/fd";

/** What each descriptor is open for: a path, or a kind with a number. */
function targets(): string[] {
  return readdirSync(FOLDER).flatMap((descriptor) => {
    try {
      return [readlinkSync(`${FOLDER}/${descriptor}`)];
    } catch {
      // It was open for the folder itself.
      return [];
    }
  });
}

/** How many descriptors are open for the same as this one. */
export function countCopies(descriptor: number): number {
  const target = readlinkSync(`${FOLDER}/${descriptor}`);
  return targets().filter((other) => other === target).length;
}

/** How many descriptors are sockets. */
export function countSockets(): number {
  return targets().filter((target) => target.startsWith("socket:")).length;
}
