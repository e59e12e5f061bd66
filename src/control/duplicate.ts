import ffi from "node:ffi";
import { closeSync } from "node:fs";
import { lastErrorCode } from "./last-error.ts";

type Duplicate = (descriptor: number) => number;

let duplicate: Duplicate | null = null;

/** Of Linux: as dup(2), but programs that are started don't get it, who would keep the socket open without accepting. */
const F_DUPFD_CLOEXEC = 1030;

/**
 * A second descriptor for the same open socket. Node has no call for it; every worker listens on a descriptor of its own, so
 * that closing one leaves the socket and its queue of connections standing.
 * @throws Error when there are no descriptors left
 */
export function duplicateDescriptor(descriptor: number): number {
  duplicate ??= load();
  const copy = duplicate(descriptor);
  if (copy < 0)
    throw new Error(`The socket with descriptor ${descriptor} could not be duplicated: ${lastErrorCode()}`);
  return copy;
}

/** The same for several: all of them, or none. */
export function duplicateAll(descriptors: readonly number[]): number[] {
  const copies: number[] = [];
  try {
    for (const descriptor of descriptors) copies.push(duplicateDescriptor(descriptor));
    return copies;
  } catch (error) {
    for (const copy of copies) closeSync(copy);
    throw error;
  }
}

function load(): Duplicate {
  if (process.platform !== "linux")
    return ffi.dlopen(null, { dup: { arguments: ["i32"], return: "i32" } }).functions.dup as Duplicate;
  const { functions } = ffi.dlopen(null, { fcntl: { arguments: ["i32", "i32", "i32"], return: "i32" } });
  const fcntl = functions.fcntl as (descriptor: number, command: number, lowest: number) => number;
  return (descriptor) => fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}
