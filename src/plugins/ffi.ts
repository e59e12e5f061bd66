import type * as Ffi from "node:ffi";

/** Node's announcement that this module is young, which would stand in the log once for every thread. */
const ANNOUNCEMENT = "FFI is an experimental feature";

/** Calls of functions in shared libraries: `node:ffi`. */
export const ffi: typeof Ffi = loadQuietly();

function loadQuietly(): typeof Ffi {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: never[]) => {
    if (!String(warning).startsWith(ANNOUNCEMENT)) Reflect.apply(emitWarning, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
  try {
    return process.getBuiltinModule("node:ffi");
  } finally {
    process.emitWarning = emitWarning;
  }
}
