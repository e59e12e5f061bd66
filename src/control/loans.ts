import { closeSync, fstatSync } from "node:fs";

interface Loan {
  readonly borrower: object;
  /** By which a socket is told from any other file that has its number later. */
  readonly inode: bigint;
}

/**
 * Duplicates of sockets that others were given, and are to close. What a thread listens on is closed with it by Node; what it has not come
 * to listen on nobody would close, and a socket that is open somewhere keeps clients waiting.
 */
export class Loans {
  /** By descriptor. */
  readonly #loans = new Map<number, Loan>();

  /** All duplicates are to be noted: who had the same numbers before has closed his. */
  note(descriptors: readonly number[], borrower: object): void {
    for (const descriptor of descriptors)
      this.#loans.set(descriptor, { borrower, inode: inodeOf(descriptor) ?? 0n });
  }

  /** Closes what one that is gone hasn't closed. */
  takeBack(from: object): void {
    for (const [descriptor, { borrower, inode }] of this.#loans) {
      if (borrower !== from) continue;
      this.#loans.delete(descriptor);
      // Where sockets have no number it may be anybody's by now.
      if (inode !== 0n && inodeOf(descriptor) === inode) closeSync(descriptor);
    }
  }
}

/** Null when nothing is open there. */
function inodeOf(descriptor: number): bigint | null {
  try {
    return fstatSync(descriptor, { bigint: true }).ino;
  } catch {
    return null;
  }
}
