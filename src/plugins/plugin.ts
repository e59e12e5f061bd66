/** A value, now or later. What is there now is never waited for. */
export type MaybeLater<T> = T | PromiseLike<T>;

/** Which way bytes go: 0 from the client to the server, 1 from the server to the client. As plugins are told it. */
export type PluginDirection = 0 | 1;

export const TO_UPSTREAM: PluginDirection = 0;
export const TO_CLIENT: PluginDirection = 1;

/** The version of `native/sluice_plugin.h` that plugins have to be built with. */
export const ABI_VERSION = 1;
/** Bytes of a plugin's name. */
export const LONGEST_NAME = 64;

/** Room that a plugin has for a request's head beside what the head takes itself. */
export const HEAD_ROOM: number = 64 * 1024;
/** Bytes that a plugin is given in one call. */
export const MOST_INPUT: number = 64 * 1024;
/** Bytes of room that it finds at first, and that it may ask for. */
export const LEAST_CAPACITY: number = 64 * 1024;
export const MOST_CAPACITY: number = 16 * 1024 * 1024;

/**
 * What a plugin makes of bytes: others in their place (none of them, if it holds them back), or null when it wants the
 * connection to be closed.
 *
 * They are borrowed: what comes at once is good until the plugin is called again in this thread, for whatever connection; what comes
 * later until all promises have been told, for then the event loop goes on reading.
 */
export type Transformed = Buffer | null;

/**
 * What a plugin makes of a request's head: null lets it pass, a text replaces it, and a number is the status to answer
 * with in the server's place.
 */
export type HeadVerdict = string | number | null;

/** Foreign code that bytes and heads go through: a library in C, a module of WebAssembly, or either in another process. */
export interface Plugin {
  /** What it calls itself. */
  readonly name: string;
  /** Whether it has something to do with bytes, and with the heads of requests. */
  readonly transforms: boolean;
  readonly filtersRequests: boolean;
  /**
   * Begins a connection, or on HTTP a request with its response.
   * @param clientAddress `address:port` of the client; "" on a Unix socket
   * @throws PluginError when that fails
   */
  openConnection(clientAddress: string): PluginConnection;
  /**
   * Looks at a request's head: request line and fields as HTTP/1 has them, one character a byte, with the empty line at the end.
   * @throws PluginError, or rejects with one, when the plugin misbehaves
   */
  filterRequest(head: string): MaybeLater<HeadVerdict>;
  /** Lets go of everything. To be called once, when all connections are closed. Must not throw. */
  close(): void;
}

/** One connection through a plugin. */
export interface PluginConnection {
  /**
   * Takes borrowed bytes `bytes[start..end)`, at most `MOST_INPUT`. Of one direction nothing else may be given before the answer is there. No bytes at
   * all say that the direction has ended: it is the last call for it, and what was held back comes out.
   * @throws PluginError, or rejects with one, when the plugin misbehaves: the connection is of no use any more
   */
  transform(direction: PluginDirection, bytes: Buffer, start: number, end: number): MaybeLater<Transformed>;
  /** Tells whoever listens when the connection is lost while nobody asks for anything. Absent where that can't be. */
  watch?(listener: LossListener): void;
  /** To be called once, also after an error. Must not throw. */
  close(): void;
}

/** Who wants to know that a connection through a plugin is lost: the process of the plugin has ended. */
export interface LossListener {
  onLost(error: PluginError): void;
}

/** Why a plugin can't be loaded, or what it did wrong. */
export class PluginError extends Error {
  override readonly name = "PluginError";
}
