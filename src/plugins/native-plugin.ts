import { lendMemory } from "../net/slabs.ts";
import { ffi } from "./ffi.ts";
import { type NativeFunctions, NativeLibrary } from "./native-library.ts";
import {
  HEAD_ROOM,
  type HeadVerdict,
  LEAST_CAPACITY,
  MOST_CAPACITY,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  PluginError,
  type Transformed,
} from "./plugin.ts";
import { CLOSE_ASKED, roomAskedFor, tooMuchWritten, toVerdict } from "./plugin-answers.ts";

/** Room that was asked for once is kept for the next call up to this. */
const KEPT_CAPACITY = 1024 * 1024;

const NOTHING = Buffer.allocUnsafeSlow(1);

/** A plugin in a shared library, in this thread. */
export class NativePlugin implements Plugin {
  readonly name: string;
  readonly transforms: boolean;
  readonly filtersRequests: boolean;
  /** @internal */
  readonly functions: NativeFunctions;
  /** @internal what its `init` made; 0 without one */
  readonly pointer: bigint;
  /** @internal */
  readonly room: Room = new Room();
  readonly #library: NativeLibrary;
  #head: Buffer = NOTHING;

  /**
   * @param path of a copy that nobody changes any more
   * @param config as JSON
   * @throws PluginError when it is no plugin, or one that refuses this configuration
   */
  constructor(path: string, config: string) {
    this.#library = new NativeLibrary(path);
    const { name, functions } = this.#library;
    this.name = name;
    this.functions = functions;
    this.transforms = functions.transform !== null;
    this.filtersRequests = functions.filter !== null;
    this.pointer = functions.init?.(config) ?? 0n;
    if (functions.init === null || this.pointer !== 0n) return;
    this.#library.close();
    throw new PluginError("it refuses this configuration (its sluice_plugin_init returned NULL)");
  }

  openConnection(clientAddress: string): PluginConnection {
    const pointer = this.functions.open?.(this.pointer, clientAddress) ?? 0n;
    return new NativeConnection(this, pointer);
  }

  filterRequest(head: string): HeadVerdict {
    const { filter } = this.functions;
    if (filter === null) return null;
    const { length } = head;
    if (this.#head.length <= length) this.#head = Buffer.allocUnsafeSlow(length * 2 + 1);
    this.#head.write(head, 0, "latin1");
    this.#head[length] = 0;
    const { room } = this;
    room.renew();
    room.reserve(length + HEAD_ROOM);
    const input = ffi.getRawPointer(this.#head);
    const result = filter(this.pointer, input, BigInt(length), room.pointer, room.size);
    return toVerdict(result, room.bytes, room.capacity);
  }

  close(): void {
    if (this.functions.init !== null) this.functions.free?.(this.pointer);
    this.#library.close();
  }
}

class NativeConnection implements PluginConnection {
  readonly #plugin: NativePlugin;
  readonly #pointer: bigint;

  constructor(plugin: NativePlugin, pointer: bigint) {
    this.#plugin = plugin;
    this.#pointer = pointer;
  }

  transform(direction: PluginDirection, bytes: Buffer, start: number, end: number): Transformed {
    const { room } = this.#plugin;
    room.renew();
    if (start === end) return this.#call(direction, pointerOf(NOTHING), 0n);
    // What a plugin made itself, listed twice.
    if (bytes.buffer === room.bytes.buffer)
      return this.#call(direction, pointerOf(Buffer.from(bytes.subarray(start, end))), BigInt(end - start));
    return this.#call(direction, pointerOf(bytes) + BigInt(start), BigInt(end - start));
  }

  #call(direction: PluginDirection, input: bigint, length: bigint): Transformed {
    const { room, functions, pointer } = this.#plugin;
    if (functions.transform === null) throw new PluginError("it has no sluice_transform");
    for (;;) {
      const result = Number(
        functions.transform(pointer, this.#pointer, direction, input, length, room.pointer, room.size),
      );
      const { capacity } = room;
      if (result > capacity) throw tooMuchWritten("sluice_transform", result, capacity);
      if (result >= 0) return room.view(result);
      if (result === CLOSE_ASKED) return null;
      room.reserve(roomAskedFor(result, capacity));
    }
  }

  close(): void {
    this.#plugin.functions.close?.(this.#pointer);
  }
}

/** Where a plugin writes: one piece of memory for all its connections in this thread, since it is read before the next call. */
class Room {
  bytes!: Buffer;
  capacity = 0;
  /** `capacity` as it is passed. */
  size = 0n;
  pointer = 0n;
  #view!: Buffer;
  /** True when a write has to wait that refers to the memory: it isn't ours any more. */
  #isHeld = false;

  constructor() {
    this.#allocate(LEAST_CAPACITY);
  }

  /** Makes room for `needed` bytes; what was written is lost. */
  reserve(needed: number): void {
    // Twice as much: one that asks for a byte more each time is soon at the end.
    if (needed > this.capacity) this.#allocate(Math.max(needed, Math.min(this.capacity * 2, MOST_CAPACITY)));
  }

  /** Before a call: gives up memory that was needed once, or that somebody still sends from. */
  renew(): void {
    if (this.#isHeld || this.capacity > KEPT_CAPACITY) this.#allocate(LEAST_CAPACITY);
  }

  #allocate(capacity: number): void {
    const bytes = Buffer.allocUnsafeSlow(capacity);
    this.bytes = bytes;
    this.#isHeld = false;
    lendMemory(bytes, () => {
      if (this.bytes === bytes) this.#isHeld = true;
    });
    this.capacity = capacity;
    this.size = BigInt(capacity);
    this.pointer = ffi.getRawPointer(this.bytes);
    this.#view = this.bytes;
  }

  /** The first `size` bytes. Chunks mostly have the size of the one before, and making a view isn't free. */
  view(size: number): Buffer {
    if (this.#view.length !== size) this.#view = this.bytes.subarray(0, size);
    return this.#view;
  }
}

let lastMemory: ArrayBufferLike | null = null;
let lastBase = 0n;

/** Where `bytes` begins. Nearly all come out of the few slabs that sockets are read into, and asking costs 0.1 µs. */
function pointerOf(bytes: Buffer): bigint {
  const { buffer, byteOffset } = bytes;
  if (buffer !== lastMemory) {
    lastMemory = buffer;
    lastBase = ffi.getRawPointer(new Uint8Array(buffer));
  }
  return byteOffset === 0 ? lastBase : lastBase + BigInt(byteOffset);
}
