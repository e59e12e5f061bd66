import { extname } from "node:path";
import { isThenable } from "../base/errors.ts";
import { openPlugin } from "./open-plugin.ts";
import {
  type HeadVerdict,
  type MaybeLater,
  MOST_INPUT,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  PluginError,
  type Transformed,
} from "./plugin.ts";
import { PluginCopies, readPluginFile } from "./plugin-files.ts";
import { ANSWER_TIMEOUT, PLUGIN_ISOLATIONS, PLUGIN_KINDS, type PluginIsolation } from "./plugin-settings.ts";

export interface LoadPluginOptions {
  /** `process`: it runs in a process of its own. Default `none`: in this thread. */
  readonly isolate?: PluginIsolation;
  /** Milliseconds that its process may take for an answer until it is ended; what it was asked rejects then. Default 5,000. */
  readonly timeout?: number;
}

/** A plugin that a program has loaded for itself, in this thread. */
export interface LoadedPlugin extends Disposable {
  /** What it calls itself. */
  readonly name: string;
  /** Whether it has something to do with bytes, and with the heads of requests. */
  readonly transforms: boolean;
  readonly filtersRequests: boolean;
  /**
   * Begins a connection. @param clientAddress what the plugin is told of the client: `address:port`. Default "".
   * @throws PluginError when the plugin can't
   */
  openConnection(clientAddress?: string): LoadedPluginConnection;
  /**
   * Shows it a request's head, `GET / HTTP/1.1\r\n…\r\n\r\n`, one character a byte: null lets it pass, a text replaces it (nobody has
   * checked it), a number is the status to answer with. @throws PluginError, or rejects with one
   */
  filterRequest(head: string): MaybeLater<HeadVerdict>;
  /** Ends it, which ends its connections too. */
  close(): void;
}

/** One connection through a plugin. */
export interface LoadedPluginConnection extends Disposable {
  /**
   * What the plugin makes of bytes, the caller's own: perhaps nothing for now; null when it wants the connection to be closed. Of
   * one direction nothing else may be given before the answer is there.
   * @param bytes null: this direction has ended, and what the plugin held back comes out
   * @throws PluginError, or rejects with one: the connection is of no use any more
   */
  transform(direction: "to-upstream" | "to-client", bytes: Uint8Array | null): MaybeLater<Buffer | null>;
  close(): void;
}

/**
 * Loads a plugin for a program, which then uses it as it likes: in body filters, say. It is loaded as it is now, from a copy; when
 * the file changes nothing happens. Every thread loads its own.
 * @param path a shared library (`.so`, `.dylib`) or a module of WebAssembly (`.wasm`), from the working directory
 * @param config what it is told when it begins, as JSON
 * Rejects with a `PluginError` that says what is wrong with it.
 */
export async function loadPlugin(
  path: string,
  config: unknown = null,
  { isolate = "none", timeout = ANSWER_TIMEOUT }: LoadPluginOptions = {},
): Promise<LoadedPlugin> {
  if (!PLUGIN_KINDS.has(extname(path)))
    throw new PluginError(`${path} ends in none of ${[...PLUGIN_KINDS.keys()].join(", ")}`);
  // Programs run without a type checker, and a plugin that is meant to be apart must not be loaded here.
  if (!PLUGIN_ISOLATIONS.includes(isolate))
    throw new PluginError(`isolate is one of ${PLUGIN_ISOLATIONS.join(", ")}, and not ${isolate}`);
  const copies = new PluginCopies();
  try {
    const { bytes, digest } = await readPluginFile(path);
    const file = await copies.add(path, { bytes, digest });
    const settings = {
      name: path,
      path,
      config: JSON.stringify(config),
      isolate,
      timeout,
      mustTransform: false,
    };
    const plugin = await openPlugin({ ...settings, file, digest });
    // What is loaded here needs its file no more, and a thread that is ended couldn't remove it.
    if (isolate === "none") copies.close();
    return new Loaded(plugin, copies);
  } catch (error) {
    copies.close();
    throw new PluginError(`${path} can't be used: ${(error as Error).message}`, { cause: error });
  }
}

class Loaded implements LoadedPlugin {
  readonly #plugin: Plugin;
  readonly #copies: PluginCopies;
  readonly #connections = new Set<LoadedConnection>();
  #isClosed = false;

  constructor(plugin: Plugin, copies: PluginCopies) {
    this.#plugin = plugin;
    this.#copies = copies;
  }

  get name(): string {
    return this.#plugin.name;
  }

  get transforms(): boolean {
    return this.#plugin.transforms;
  }

  get filtersRequests(): boolean {
    return this.#plugin.filtersRequests;
  }

  openConnection(clientAddress: string = ""): LoadedPluginConnection {
    this.#checkOpen();
    const inner = this.#plugin.openConnection(clientAddress);
    const connection = new LoadedConnection(inner, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }

  filterRequest(head: string): MaybeLater<HeadVerdict> {
    this.#checkOpen();
    return this.#plugin.filterRequest(head);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new PluginError("The plugin is closed");
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const connection of this.#connections) connection.close();
    this.#plugin.close();
    this.#copies.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

class LoadedConnection implements LoadedPluginConnection {
  readonly #inner: PluginConnection;
  readonly #onClose: () => void;
  #isClosed = false;

  constructor(inner: PluginConnection, onClose: () => void) {
    this.#inner = inner;
    this.#onClose = onClose;
  }

  transform(direction: "to-upstream" | "to-client", bytes: Uint8Array | null): MaybeLater<Buffer | null> {
    if (this.#isClosed) throw new PluginError("The plugin's connection is closed");
    const way = direction === "to-upstream" ? 0 : 1;
    if (bytes === null) return this.#transform(way, Buffer.alloc(0));
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    // No bytes at all would be the end.
    if (view.length === 0) return view;
    return view.length <= MOST_INPUT ? this.#transform(way, view) : this.#transformFrom(0, [], way, view);
  }

  #transform(direction: PluginDirection, bytes: Buffer): MaybeLater<Buffer | null> {
    const result = this.#inner.transform(direction, bytes, 0, bytes.length);
    return isThenable(result) ? result.then(toOwn) : toOwn(result);
  }

  /** More than a plugin is given at once; `parts` are what came of it so far. */
  #transformFrom(
    first: number,
    parts: Buffer[],
    direction: PluginDirection,
    bytes: Buffer,
  ): MaybeLater<Buffer | null> {
    for (let start = first; start < bytes.length; start += MOST_INPUT) {
      const part = this.#transform(direction, bytes.subarray(start, start + MOST_INPUT));
      if (part === null) return null;
      if (isThenable(part)) return this.#transformLater(part, start + MOST_INPUT, parts, direction, bytes);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async #transformLater(
    later: PromiseLike<Buffer | null>,
    next: number,
    parts: Buffer[],
    direction: PluginDirection,
    bytes: Buffer,
  ): Promise<Buffer | null> {
    const part = await later;
    if (part === null) return null;
    return await this.#transformFrom(next, [...parts, part], direction, bytes);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inner.close();
    this.#onClose();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What a plugin gives is borrowed. */
function toOwn(result: Transformed): Buffer | null {
  return result === null ? null : Buffer.from(result);
}
