import ffi from "node:ffi";
import { getSystemErrorName } from "node:util";

/**
 * Where the C library keeps it for each thread; each has its own word for that. It is looked up when this is loaded: looking
 * it up is a call that can leave an error of its own there.
 */
const place = load();

/** The code of what went wrong with the last call of the C library, as Node's errors have it. To be asked for at once. */
export function lastErrorCode(): string {
  return getSystemErrorName(-ffi.getInt32(place()));
}

/** The error of a call that failed. To be asked for at once. */
export function systemError(call: string): Error {
  const code = lastErrorCode();
  return Object.assign(new Error(`${call}: ${code}`), { code });
}

function load(): () => bigint {
  const name = process.platform === "darwin" ? "__error" : "__errno_location";
  const { functions } = ffi.dlopen(null, { [name]: { arguments: [], return: "pointer" } });
  return functions[name] as () => bigint;
}
