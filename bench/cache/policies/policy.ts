/** A cache of so many keys, all of them as large as one another. Keys are numbers from 0. */
export interface Policy {
  /** Asks for the key, and keeps it when it wasn't there. @returns whether it was */
  ask(key: number): boolean;
}

/** @param keys how many there are in all */
export type MakePolicy = (size: number, keys: number) => Policy;
