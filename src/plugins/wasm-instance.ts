import { describeThrown } from "../base/errors.ts";
import {
  ABI_VERSION,
  LEAST_CAPACITY,
  LONGEST_NAME,
  MOST_CAPACITY,
  MOST_INPUT,
  PluginError,
} from "./plugin.ts";
import { WASM_PAGE } from "./wasm-memory.ts";
import { type WasmMemory, type WasmModule, webAssembly } from "./web-assembly.ts";

type Call = (...values: number[]) => unknown;

/** A module's functions as they are called; null where it has none. Pointers and lengths are numbers of 32 bits. */
interface WasmFunctions {
  readonly allocate: Call | null;
  readonly release: Call | null;
  readonly init: Call | null;
  readonly free: Call | null;
  readonly open: Call | null;
  readonly close: Call | null;
  readonly transform: Call | null;
  readonly filter: Call | null;
}

/** Memory within the module's that this side writes into, or the module for this side. */
interface Area {
  at: number;
  size: number;
}

/**
 * A module with memory of its own, as good as new: a plugin in WebAssembly before `sluice_plugin_init`.
 *
 *     memory:  the module's data and stack | its heap … | input | … | output | …
 */
export class WasmInstance {
  readonly name: string;
  readonly functions: WasmFunctions;
  /** What its `init` made; 0 without one. */
  readonly plugin: number;
  /** A call ended within: nobody knows what it left behind. */
  isBroken = false;
  readonly #memory: WasmMemory;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #input: Area = { at: 0, size: 0 };
  readonly #output: Area = { at: 0, size: 0 };

  /** @throws PluginError when the module is no plugin, or one that refuses this configuration */
  constructor(module: WasmModule, config: string) {
    const exports = instantiate(module);
    const { memory } = exports;
    if (!(memory instanceof webAssembly.Memory)) throw new PluginError("it doesn't export its memory");
    this.#memory = memory;
    this.functions = findFunctions(exports);
    const start = found(exports, "_initialize");
    if (start !== null) this.call(start);
    this.#checkVersion(exports);
    this.name = this.#readName(exports);
    this.reserveInput(MOST_INPUT);
    this.reserveOutput(LEAST_CAPACITY);
    this.plugin = this.#begin(config);
  }

  /** All of its memory, as it is now: it may be elsewhere after each call. */
  get bytes(): Buffer {
    const { buffer } = this.#memory;
    if (this.#bytes.buffer !== buffer) this.#bytes = Buffer.from(buffer);
    return this.#bytes;
  }

  /** Where it is given bytes. */
  get inputAt(): number {
    return this.#input.at;
  }

  /** Where it writes, and how much it may. */
  get outputAt(): number {
    return this.#output.at;
  }

  get capacity(): number {
    return this.#output.size;
  }

  /** Makes room for `size` bytes of input. @throws PluginError when there is none */
  reserveInput(size: number): void {
    if (size > this.#input.size) this.#grow(this.#input, size);
  }

  /** The same for what it makes. */
  reserveOutput(size: number): void {
    if (size > this.#output.size) this.#grow(this.#output, size);
  }

  /** Calls with a text, which ends with a NUL. */
  callWithText(call: Call, text: string, ...before: readonly number[]): number {
    const length = Buffer.byteLength(text);
    this.reserveInput(length + 1);
    const { bytes } = this;
    bytes.write(text, this.#input.at);
    bytes[this.#input.at + length] = 0;
    return Number(this.call(call, ...before, this.#input.at)) >>> 0;
  }

  /** @throws PluginError when the call ends within the module, as on `unreachable` and out of bounds */
  call(call: Call, ...values: number[]): unknown {
    try {
      return call(...values);
    } catch (error) {
      throw this.broken(error);
    }
  }

  /** Notes that a call ended within, and says why. */
  broken(error: unknown): PluginError {
    this.isBroken = true;
    return new PluginError(`it trapped: ${describeThrown(error)}`, { cause: error });
  }

  #grow(area: Area, size: number): void {
    const { release } = this.functions;
    const before = area.size > 0 ? area.at : null;
    // Twice as much: one that asks for a byte more each time, or whose clients do, is soon at the end.
    const room = Math.max(size, Math.min(area.size * 2, MOST_CAPACITY));
    // First, since there may be no room: what there was is still good then.
    area.at = this.#allocate(room);
    area.size = room;
    if (before !== null && release !== null) this.call(release, before);
  }

  #allocate(size: number): number {
    const { allocate } = this.functions;
    if (allocate === null) return this.#addPages(Math.ceil(size / WASM_PAGE));
    const at = Number(this.call(allocate, size)) >>> 0;
    if (at !== 0 && at + size <= this.bytes.length) return at;
    throw new PluginError(`its sluice_allocate has no room for ${size} bytes`);
  }

  /** A module without an allocator is given pages that it doesn't know of. */
  #addPages(pages: number): number {
    try {
      return this.#memory.grow(pages) * WASM_PAGE;
    } catch {
      throw new PluginError(`its memory can't grow by ${pages * WASM_PAGE} bytes`);
    }
  }

  #checkVersion(exports: Readonly<Record<string, unknown>>): void {
    const version = this.call(required(exports, "sluice_plugin_abi_version"));
    if (version !== ABI_VERSION)
      throw new PluginError(
        `it was built for version ${String(version)} of the plugin ABI, and not ${ABI_VERSION}`,
      );
  }

  #readName(exports: Readonly<Record<string, unknown>>): string {
    const at = Number(this.call(required(exports, "sluice_plugin_name"))) >>> 0;
    const text = this.bytes.subarray(at, at + LONGEST_NAME + 1);
    const end = text.indexOf(0);
    if (at === 0 || end < 1)
      throw new PluginError(`sluice_plugin_name gives no name of 1 to ${LONGEST_NAME} bytes`);
    return text.toString("utf8", 0, end);
  }

  #begin(config: string): number {
    const { init } = this.functions;
    if (init === null) return 0;
    const plugin = this.callWithText(init, config);
    if (plugin !== 0) return plugin;
    throw new PluginError("it refuses this configuration (its sluice_plugin_init returned NULL)");
  }
}

function instantiate(module: WasmModule): Readonly<Record<string, unknown>> {
  try {
    return new webAssembly.Instance(module).exports;
  } catch (error) {
    throw new PluginError(`it can't be begun: ${describeThrown(error)}`);
  }
}

function findFunctions(exports: Readonly<Record<string, unknown>>): WasmFunctions {
  const functions: WasmFunctions = {
    allocate: found(exports, "sluice_allocate"),
    release: found(exports, "sluice_release"),
    init: found(exports, "sluice_plugin_init"),
    free: found(exports, "sluice_plugin_free"),
    open: found(exports, "sluice_connection_open"),
    close: found(exports, "sluice_connection_close"),
    transform: found(exports, "sluice_transform"),
    filter: found(exports, "sluice_filter_request"),
  };
  if (functions.transform === null && functions.filter === null)
    throw new PluginError("it has neither sluice_transform nor sluice_filter_request");
  return functions;
}

function found(exports: Readonly<Record<string, unknown>>, name: string): Call | null {
  const value = exports[name];
  return typeof value === "function" ? (value as Call) : null;
}

function required(exports: Readonly<Record<string, unknown>>, name: string): Call {
  const call = found(exports, name);
  if (call === null) throw new PluginError(`it has no ${name}`);
  return call;
}
