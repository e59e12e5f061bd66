import { readFile } from "node:fs/promises";
import { describeThrown } from "../base/errors.ts";
import { LentSpace } from "./lent-space.ts";
import {
  HEAD_ROOM,
  type HeadVerdict,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  PluginError,
  type Transformed,
} from "./plugin.ts";
import { CLOSE_ASKED, roomAskedFor, tooMuchWritten, toVerdict } from "./plugin-answers.ts";
import { WasmInstance } from "./wasm-instance.ts";
import { limitMemory } from "./wasm-memory.ts";
import { type WasmModule, webAssembly } from "./web-assembly.ts";

/** A plugin in WebAssembly, in this thread: the same calls as in C, but what it does to memory is done to its own alone. */
export class WasmPlugin implements Plugin {
  readonly name: string;
  readonly transforms: boolean;
  readonly filtersRequests: boolean;
  readonly #module: WasmModule;
  readonly #config: string;
  /** What comes out is copied: memory of a module can't be left to a write that has to wait. */
  readonly #space = new LentSpace();
  #instance: WasmInstance;

  /**
   * @param path of a copy that nobody changes any more
   * @param config as JSON
   * Rejects with a `PluginError` when it is no plugin, or one that refuses this configuration.
   */
  static async open(path: string, config: string): Promise<WasmPlugin> {
    return new WasmPlugin(await compile(limitMemory(await readFile(path))), config);
  }

  private constructor(module: WasmModule, config: string) {
    this.#module = module;
    this.#config = config;
    this.#instance = new WasmInstance(module, config);
    const { name, functions } = this.#instance;
    this.name = name;
    this.transforms = functions.transform !== null;
    this.filtersRequests = functions.filter !== null;
  }

  /** One in which every call has returned so far. Connections that have begun in another one stay there. */
  #sound(): WasmInstance {
    if (this.#instance.isBroken) this.#instance = new WasmInstance(this.#module, this.#config);
    return this.#instance;
  }

  openConnection(clientAddress: string): PluginConnection {
    const instance = this.#sound();
    const { open } = instance.functions;
    const pointer = open === null ? 0 : instance.callWithText(open, clientAddress, instance.plugin);
    return new WasmConnection(instance, pointer, this.#space);
  }

  filterRequest(head: string): HeadVerdict {
    if (!this.filtersRequests) return null;
    const instance = this.#sound();
    const { filter } = instance.functions;
    const { length } = head;
    instance.reserveInput(length + 1);
    instance.reserveOutput(length + HEAD_ROOM);
    const { inputAt, outputAt, capacity, bytes } = instance;
    bytes.write(head, inputAt, "latin1");
    bytes[inputAt + length] = 0;
    const result = Number(instance.call(filter!, instance.plugin, inputAt, length, outputAt, capacity));
    return toVerdict(result, instance.bytes.subarray(outputAt), capacity);
  }

  close(): void {
    const { functions, plugin, isBroken } = this.#instance;
    if (functions.init === null || functions.free === null || isBroken) return;
    try {
      functions.free(plugin);
    } catch {
      // Its memory goes all the same.
    }
  }
}

async function compile(bytes: Uint8Array): Promise<WasmModule> {
  let module: WasmModule;
  try {
    module = await webAssembly.compile(bytes);
  } catch (error) {
    throw new PluginError(`it can't be compiled: ${describeThrown(error)}`);
  }
  const [wanted] = webAssembly.Module.imports(module);
  if (wanted === undefined) return module;
  throw new PluginError(`it imports ${wanted.module}.${wanted.name}, and nothing is there to be imported`);
}

class WasmConnection implements PluginConnection {
  readonly #instance: WasmInstance;
  readonly #pointer: number;
  readonly #space: LentSpace;
  /** A call for this connection ended within. */
  #isBroken = false;

  constructor(instance: WasmInstance, pointer: number, space: LentSpace) {
    this.#instance = instance;
    this.#pointer = pointer;
    this.#space = space;
  }

  transform(direction: PluginDirection, bytes: Buffer, start: number, end: number): Transformed {
    const instance = this.#instance;
    if (start < end) instance.bytes.set(bytes.subarray(start, end), instance.inputAt);
    for (;;) {
      const result = this.#call(direction, end - start);
      const { capacity, outputAt } = instance;
      if (result > capacity) throw tooMuchWritten("sluice_transform", result, capacity);
      if (result >= 0) return this.#space.put(instance.bytes.subarray(outputAt, outputAt + result));
      if (result === CLOSE_ASKED) return null;
      instance.reserveOutput(roomAskedFor(result, capacity));
    }
  }

  #call(direction: PluginDirection, length: number): number {
    const instance = this.#instance;
    const { functions, plugin, inputAt, outputAt, capacity } = instance;
    try {
      return Number(
        functions.transform!(plugin, this.#pointer, direction, inputAt, length, outputAt, capacity),
      );
    } catch (error) {
      this.#isBroken = true;
      throw instance.broken(error);
    }
  }

  close(): void {
    const { close } = this.#instance.functions;
    if (close === null || this.#isBroken) return;
    try {
      close(this.#pointer);
    } catch (error) {
      this.#instance.broken(error);
    }
  }
}
