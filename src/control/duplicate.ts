import ffi from "node:ffi";

type Duplicate = (descriptor: number) => number;

let duplicate: Duplicate | null = null;

/**
 * A second descriptor for the same open socket (dup(2)). Node has no call for it; every worker listens on a descriptor
 * of its own, so that closing one leaves the socket and its queue of connections standing.
 * @throws Error when there are no descriptors left
 */
export function duplicateDescriptor(descriptor: number): number {
  duplicate ??= load();
  const copy = duplicate(descriptor);
  if (copy < 0) throw new Error(`The socket with descriptor ${descriptor} could not be duplicated`);
  return copy;
}

function load(): Duplicate {
  const { functions } = ffi.dlopen(null, { dup: { arguments: ["i32"], return: "i32" } });
  return functions.dup as Duplicate;
}
