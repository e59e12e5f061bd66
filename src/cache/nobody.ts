import type { WriterOwner } from "./store.ts";

/** Writes in one go, and needn't know what becomes of it: what fails after it was taken isn't found, and that is all. */
export const NOBODY: WriterOwner = { onDrain() {}, onFailure() {} };
