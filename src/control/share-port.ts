import ffi from "node:ffi";
import { endianness, platform } from "node:os";

type SetSocketOption = (
  descriptor: number,
  level: number,
  option: number,
  value: Uint8Array,
  length: number,
) => number;

let setSocketOption: SetSocketOption | null = null;

/** `SOL_SOCKET` and `SO_REUSEPORT`. */
const [LEVEL, OPTION] = platform() === "linux" ? [1, 15] : [0xffff, 0x0200];

/**
 * Lets a socket that is bound, and may listen already, share its port with others of ours (`SO_REUSEPORT`). One that was
 * bound for a single thread doesn't, so that it is an error when another program has the port.
 */
export function sharePort(descriptor: number): void {
  setSocketOption ??= load();
  const on = new Uint8Array(4);
  on[endianness() === "LE" ? 0 : 3] = 1;
  if (setSocketOption(descriptor, LEVEL, OPTION, on, on.length) < 0)
    throw new Error(`The socket with descriptor ${descriptor} can't share its port`);
}

function load(): SetSocketOption {
  const { functions } = ffi.dlopen(null, {
    setsockopt: { arguments: ["i32", "i32", "i32", "pointer", "u32"], return: "i32" },
  });
  return functions.setsockopt as SetSocketOption;
}
