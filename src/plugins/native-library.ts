import type { DynamicLibrary, FunctionSignature } from "node:ffi";
import { ffi } from "./ffi.ts";
import { ABI_VERSION, LONGEST_NAME, PluginError } from "./plugin.ts";

type Pointer = bigint;

/**
 * A plugin's functions as they are called; null where it has none. Lengths are 64-bit numbers on both sides, hence bigints, and
 * so are pointers: a call costs some 0.2 µs more when a buffer is given in a pointer's place.
 */
export interface NativeFunctions {
  readonly init: ((config: string) => Pointer) | null;
  readonly free: ((plugin: Pointer) => void) | null;
  readonly open: ((plugin: Pointer, client: string) => Pointer) | null;
  readonly close: ((connection: Pointer) => void) | null;
  readonly transform:
    | ((
        plugin: Pointer,
        connection: Pointer,
        direction: number,
        input: Pointer,
        length: bigint,
        output: Pointer,
        capacity: bigint,
      ) => bigint)
    | null;
  readonly filter:
    | ((plugin: Pointer, head: Pointer, length: bigint, output: Pointer, capacity: bigint) => number)
    | null;
}

const SIGNATURES = {
  sluice_plugin_abi_version: { arguments: [], return: "u32" },
  sluice_plugin_name: { arguments: [], return: "pointer" },
  sluice_plugin_init: { arguments: ["string"], return: "pointer" },
  sluice_plugin_free: { arguments: ["pointer"], return: "void" },
  sluice_connection_open: { arguments: ["pointer", "string"], return: "pointer" },
  sluice_connection_close: { arguments: ["pointer"], return: "void" },
  sluice_transform: {
    arguments: ["pointer", "pointer", "i32", "pointer", "u64", "pointer", "u64"],
    return: "i64",
  },
  sluice_filter_request: { arguments: ["pointer", "pointer", "u64", "pointer", "u64"], return: "i32" },
} as const satisfies Record<string, FunctionSignature>;

type SymbolName = keyof typeof SIGNATURES;

/** A plugin's library, loaded into this thread. */
export class NativeLibrary {
  readonly name: string;
  readonly functions: NativeFunctions;
  readonly #library: DynamicLibrary;

  /** @throws PluginError when the file is no library, or the library no plugin of this version */
  constructor(path: string) {
    this.#library = openLibrary(path);
    try {
      this.#checkVersion();
      this.name = this.#readName();
      this.functions = this.#findFunctions();
    } catch (error) {
      this.#library.close();
      throw error;
    }
  }

  /** No function may be called from here on. */
  close(): void {
    this.#library.close();
  }

  #checkVersion(): void {
    const version = this.#required<() => number>("sluice_plugin_abi_version")();
    if (version !== ABI_VERSION)
      throw new PluginError(`it was built for version ${version} of the plugin ABI, and not ${ABI_VERSION}`);
  }

  #readName(): string {
    const pointer = this.#required<() => Pointer>("sluice_plugin_name")();
    const name = pointer === 0n ? null : ffi.toString(pointer);
    if (name === null || name === "" || Buffer.byteLength(name) > LONGEST_NAME)
      throw new PluginError(`sluice_plugin_name gives no name of 1 to ${LONGEST_NAME} bytes`);
    return name;
  }

  #findFunctions(): NativeFunctions {
    const functions = {
      init: this.#optional("sluice_plugin_init"),
      free: this.#optional("sluice_plugin_free"),
      open: this.#optional("sluice_connection_open"),
      close: this.#optional("sluice_connection_close"),
      transform: this.#optional("sluice_transform"),
      filter: this.#optional("sluice_filter_request"),
    } as NativeFunctions;
    if (functions.transform === null && functions.filter === null)
      throw new PluginError("it has neither sluice_transform nor sluice_filter_request");
    return functions;
  }

  #required<F>(name: SymbolName): F {
    const found = this.#optional(name);
    if (found === null) throw new PluginError(`it has no ${name}`);
    return found as F;
  }

  #optional(name: SymbolName): unknown {
    try {
      this.#library.getSymbol(name);
    } catch {
      return null;
    }
    return this.#library.getFunction(name, SIGNATURES[name]);
  }
}

function openLibrary(path: string): DynamicLibrary {
  try {
    return new ffi.DynamicLibrary(path);
  } catch (error) {
    throw new PluginError(`it can't be loaded: ${(error as Error).message}`);
  }
}
