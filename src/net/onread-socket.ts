import { Socket, type SocketConstructorOpts } from "node:net";
import { sharedReadSlab } from "./slabs.ts";
import { securedSocket } from "./tls/secured-socket.ts";
import { Transport, type TransportHandler } from "./transport.ts";

/**
 * The one place that leans on how Node's sockets read.
 *
 * A socket with `onread` reads into a buffer we own instead of allocating one for every chunk: 1.8 µs less CPU for a
 * proxied request. Node offers that for sockets that connect, not for accepted ones; those get it by taking the native
 * handle from a socket that was accepted with `pauseOnConnect` and putting a new socket over it. A TLS socket, which is nothing
 * without its socket, is told afterwards. Where the handle isn't there (another runtime) the transport falls back to `'data'`
 * events.
 *
 * Node calls `onread.callback` as a method of the socket and then asks `onread.buffer()` which buffer comes next, so
 * that two functions serve all sockets of the thread and no closure is kept per connection.
 */

/** What `nextBuffer` answers: null keeps the current buffer. A socket that is being made gets the shared slab. */
let upcoming: Buffer | null = sharedReadSlab.buffer;

function nextBuffer(): Buffer {
  const buffer = upcoming;
  upcoming = sharedReadSlab.buffer;
  // Node's types want a buffer; its code takes anything else as "keep the one there is".
  return buffer as Buffer;
}

function onRead(this: OnreadSocket, size: number): boolean {
  const { transport } = this;
  upcoming = transport.handleRead(size);
  return transport.readsOn;
}

/** Node's own name for the type of `handle`; its code takes any native stream handle there. */
type Handle = NonNullable<SocketConstructorOpts["handle"]>;

/**
 * A socket that tells its transport what happens without event listeners: five listeners a connection would be a
 * quarter of what an idle one costs.
 */
class OnreadSocket extends Socket {
  declare transport: Transport;

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    switch (event) {
      case "end":
        this.transport.handleEnd();
        break;
      case "drain":
        this.transport.handleDrain();
        return true;
      case "finish":
        this.transport.handleFinish();
        break;
      case "error":
        this.transport.handleError(args[0] as Error);
        return true;
      case "close":
        this.transport.handleClose();
        break;
    }
    return super.emit(event as "close", ...(args as [boolean]));
  }
}

const ONREAD = { buffer: nextBuffer, callback: onRead as (size: number) => boolean };

/** A transport over a socket that was accepted with `pauseOnConnect`. */
export function adoptAccepted(accepted: Socket, handler: TransportHandler): Transport {
  const holder = accepted as Socket & { _handle?: unknown };
  const handle = holder._handle;
  const isPlain = accepted.constructor === Socket;
  if (!isPlain || !readsIntoUserBuffer(handle)) return overSocket(accepted, handler);
  holder._handle = null;
  const socket = new OnreadSocket({ handle, allowHalfOpen: true, onread: ONREAD });
  socket.transport = new Transport(socket, handler);
  return socket.transport;
}

/** A transport over a new socket, to be connected by its `socket.connect(…)`. */
export function createConnecting(handler: TransportHandler): Transport {
  const socket = new OnreadSocket({ allowHalfOpen: true, noDelay: true, onread: ONREAD });
  socket.transport = new Transport(socket, handler);
  return socket.transport;
}

function readsIntoUserBuffer(handle: unknown): handle is Handle & { useUserBuffer(buffer: Buffer): void } {
  return typeof handle === "object" && handle !== null && "useUserBuffer" in handle;
}

/** On a socket whose chunks go past its stream. */
const TRANSPORT = Symbol("transport");

type ShortCut = Socket & { [TRANSPORT]: Transport };

/** True while the stream of `socket` would do nothing with a chunk but hand it on. */
function goesPastStream({ readableFlowing, readableLength }: Socket): boolean {
  return readableFlowing === true && readableLength === 0;
}

/**
 * What a socket does with a chunk that was read: it is handed on at once while the stream would do nothing else with it. That
 * saves the stream's own book-keeping and an event.
 */
function push(this: ShortCut, chunk: Buffer | null, encoding?: BufferEncoding): boolean {
  if (chunk === null) this[TRANSPORT].noteEnd();
  if (chunk === null || !goesPastStream(this)) return Socket.prototype.push.call(this, chunk, encoding);
  this[TRANSPORT].handleOwnedRead(chunk);
  return true;
}

/** A socket that decrypts may have more to hand on after it was paused: that waits in its stream. */
function onDecrypted(this: ShortCut, size: number): boolean {
  const transport = this[TRANSPORT];
  if (goesPastStream(this)) upcoming = transport.handleRead(size);
  else {
    upcoming = null;
    Socket.prototype.push.call(this, transport.copyRead(size));
  }
  return transport.readsOn;
}

/** Where Node's sockets keep what their option `onread` says. */
const ONREAD_KEYS = ["kBuffer", "kBufferCb", "kBufferGen"].map((name) =>
  Object.getOwnPropertySymbols(new Socket()).find(({ description }) => description === name),
);

/**
 * Has a socket that stands already read into the shared slab, for which Node has no option. Over TLS that is a fifth less of user
 * time for a small request, for no buffer is allocated for each record.
 */
function readIntoSlab(socket: Socket): void {
  const { _handle: handle } = socket as { _handle?: unknown };
  const [buffer, callback, next] = ONREAD_KEYS;
  const isKnown = buffer !== undefined && callback !== undefined && next !== undefined;
  if (!isKnown || !readsIntoUserBuffer(handle)) return;
  Object.assign(socket, { [buffer]: sharedReadSlab.buffer, [callback]: onDecrypted, [next]: nextBuffer });
  // biome-ignore lint/correctness/useHookAtTopLevel: Node's, and no hook of a component.
  handle.useUserBuffer(sharedReadSlab.buffer);
}

/** A transport over any socket, by events where its chunks are buffers of their own. */
export function overSocket(socket: Socket, handler: TransportHandler): Transport {
  const secured = securedSocket(socket);
  const transport = new Transport(socket, handler, secured);
  Object.assign(socket, { [TRANSPORT]: transport, push });
  if (secured !== null) readIntoSlab(socket);
  socket.on("data", (chunk: Buffer) => transport.handleOwnedRead(chunk));
  socket.on("end", () => transport.handleEnd());
  socket.on("drain", () => transport.handleDrain());
  socket.on("finish", () => transport.handleFinish());
  socket.on("error", (error) => {
    transport.handleError(error);
    // Of an alert Node's TLS sockets tell, and then of an end, as if all were well.
    socket.destroy();
  });
  socket.on("close", () => transport.handleClose());
  if (socket.destroyed) process.nextTick(() => transport.handleClose());
  else socket.resume();
  return transport;
}
