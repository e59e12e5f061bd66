import type { Socket } from "node:net";
import { constants } from "node:os";
import { getSystemErrorMessage, getSystemErrorName } from "node:util";
import { wantDrain } from "./node-sockets.ts";

/** Told when all that waited in a writer is out. */
export interface SocketWriterOwner {
  handleDrain(): void;
}

/** What Node keeps for a write that isn't done at once. */
interface WriteRequest {
  oncomplete: ((this: WriteRequest, status: number) => void) | null;
  /** Free for whoever writes. */
  callback: SocketWriter | null;
  /** Keeps what is being written alive. */
  buffer: Buffer | readonly Buffer[] | null;
  /** Below 0 when it is over. One that TLS can't encrypt is so at once, and nothing is heard of it. */
  getAsyncId(): number;
  /** Set when it was done before anybody could listen. */
  writeStatus: number | null;
}

/** The native half of a socket, as Node's own streams call it: 0 says that all is written, another number is an error's. */
interface WritableHandle {
  writeBuffer(request: null, bytes: Buffer): number | WriteRequest;
  writev(request: null, chunks: readonly Buffer[], allBuffers: true): number | WriteRequest;
}

/** What Node calls it when TLS can't encrypt any more. */
const TLS_FAILED = -constants.errno.EPROTO;

/**
 * Whether handles of this Node can be written to without a request, which is what its own streams do then. Learned from the
 * first write of the thread, null before; older ones would stop the process.
 */
let takesNoRequest: boolean | null = null;

/**
 * Writes to a socket past its stream, whose book-keeping costs 0.5 µs a write and more over TLS, where each write ends in a
 * call back. Only what can't be written so goes through the stream: while the socket connects, or where there is no handle.
 *
 *     write ──▶ handle ── not done at once ──▶ in flight ── meanwhile, further writes ──▶ waiting ── in one piece ──▶ handle
 */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #owner: SocketWriterOwner;
  /** Bytes the handle has and hasn't said to be done with. */
  #inFlight = 0;
  #waiting: Buffer[] | null = null;
  #waitingBytes = 0;
  #isEnded = false;

  constructor(socket: Socket, owner: SocketWriterOwner) {
    this.#socket = socket;
    this.#owner = owner;
  }

  /** Bytes that wait to be taken. */
  get unsent(): number {
    return this.#inFlight + this.#waitingBytes + this.#socket.writableLength;
  }

  /** True once `end` was called, though it may still wait for what is to go out before it. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** True when all of it is out; else it must not be changed until the owner hears that all is, unless the socket encrypts. */
  write(view: Buffer): boolean {
    if (this.#inFlight > 0) return this.#wait(view);
    const handle = this.#freeHandle();
    if (handle === null) return this.#writeThroughStream(view, writableHandle(this.#socket));
    const outcome = handle.writeBuffer(null, view);
    return outcome === 0 || this.#follow(outcome, view, view.length);
  }

  /** Likewise several, in one call where that can be. */
  writeAll(views: readonly Buffer[]): boolean {
    const handle = this.#inFlight > 0 ? null : this.#freeHandle();
    let isDone = true;
    if (handle === null) for (const view of views) isDone = this.write(view) && isDone;
    else isDone = this.#follow(handle.writev(null, views, true), views, sizeOf(views));
    return isDone;
  }

  /** The handle, if it can be written to past the stream now. */
  #freeHandle(): WritableHandle | null {
    const socket = this.#socket;
    if (takesNoRequest !== true || socket.writableLength > 0) return null;
    return socket.connecting || this.#isEnded ? null : writableHandle(socket);
  }

  /** Ends this direction once everything is out. */
  end(): void {
    this.#isEnded = true;
    if (this.#inFlight === 0) this.#socket.end();
  }

  #writeThroughStream(view: Buffer, handle: WritableHandle | null): boolean {
    const socket = this.#socket;
    if (takesNoRequest !== null || handle === null) socket.write(view);
    else learn(handle, () => socket.write(view));
    if (socket.writableLength === 0) return true;
    wantDrain(socket);
    return false;
  }

  #wait(view: Buffer): boolean {
    this.#waiting ??= [];
    this.#waiting.push(view);
    this.#waitingBytes += view.length;
    return false;
  }

  #follow(outcome: number | WriteRequest, bytes: Buffer | readonly Buffer[], size: number): boolean {
    if (typeof outcome === "number") {
      if (outcome !== 0) this.#socket.destroy(writeError(outcome));
      return true;
    }
    this.#inFlight = size;
    outcome.buffer = bytes;
    outcome.callback = this;
    outcome.oncomplete = onComplete;
    if (outcome.writeStatus !== null) this.handleComplete(outcome.writeStatus);
    else if (outcome.getAsyncId() < 0) this.handleComplete(TLS_FAILED);
    return this.#inFlight === 0;
  }

  /** @internal */
  handleComplete(status: number): void {
    const socket = this.#socket;
    this.#inFlight = 0;
    if (socket.destroyed) return;
    if (status < 0) {
      socket.destroy(writeError(status));
      return;
    }
    if (this.#waiting !== null && !this.#writeWaiting(this.#waiting)) return;
    if (this.#isEnded) socket.end();
    else this.#owner.handleDrain();
  }

  #writeWaiting(waiting: readonly Buffer[]): boolean {
    const handle = writableHandle(this.#socket);
    const size = this.#waitingBytes;
    this.#waiting = null;
    this.#waitingBytes = 0;
    return handle === null || this.#follow(handle.writev(null, waiting, true), waiting, size);
  }
}

function sizeOf(views: readonly Buffer[]): number {
  let size = 0;
  for (const view of views) size += view.length;
  return size;
}

function onComplete(this: WriteRequest, status: number): void {
  this.callback?.handleComplete(status);
}

function writableHandle(socket: Socket): WritableHandle | null {
  return (socket as { _handle?: WritableHandle | null })._handle ?? null;
}

/** Sees how Node's stream writes to `handle`. */
function learn(handle: WritableHandle, write: () => void): void {
  const { writeBuffer } = handle;
  handle.writeBuffer = (request, bytes): number | WriteRequest => {
    takesNoRequest = request === null;
    return writeBuffer.call(handle, request, bytes);
  };
  write();
  Reflect.deleteProperty(handle, "writeBuffer");
}

function writeError(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}: ${getSystemErrorMessage(status)}`), {
    code,
    errno: status,
    syscall: "write",
  });
}
