import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { descriptorOf, leaveUnread } from "../../net/node-sockets.ts";
import {
  closeAll,
  MOST_DESCRIPTORS,
  type PeerUser,
  peerOf,
  type ReceivedPiece,
  receivePiece,
  sendPiece,
} from "./descriptors.ts";
import { encodeFrame, FrameError, FrameReader, type Message } from "./frames.ts";

/** Milliseconds between two looks at a socket that Node doesn't look at for us: only while descriptors are on their way. */
const LOOK_AGAIN = 2;
/** Milliseconds for descriptors to arrive that the other one has been asked for. */
const LONGEST_PASSAGE = 10_000;
/** Milliseconds for the other one to leave, too: cut off at once it might not read what was said last. */
const LONGEST_FAREWELL = 1_000;

/** A message with what came along. */
export interface Delivery {
  readonly message: Message;
  readonly descriptors: readonly number[];
}

/**
 * A connection between two processes of which one takes the other's place: messages both ways, and one message with
 * descriptors. Node reads it, but for that one: whatever reads without asking for descriptors loses them.
 */
export class Channel {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #messages: Message[] = [];
  readonly #waiting: PromiseWithResolvers<Message>[] = [];
  readonly #closed = Promise.withResolvers<void>();
  #error: Error | null = null;

  /** @param socket a connected Unix socket */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("error", (error) => this.#end(error));
    socket.on("end", () => this.#end(new Error("the other process has closed the connection")));
    socket.on("close", () => this.#end(new Error("the connection is closed")));
  }

  /** Kept when nothing can be said or heard any more. */
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  /** @throws Error when there is nobody any more, or it can't be told */
  get peer(): PeerUser {
    return peerOf(this.#descriptor);
  }

  send(message: Message): void {
    if (this.#socket.writable) this.#socket.write(encodeFrame(message));
  }

  /**
   * The next message. Rejects when the connection ends before, and with a `FrameError` when it is none; what was said before
   * that is heard.
   */
  receive(): Promise<Message> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#error !== null) return Promise.reject(this.#error);
    const waiting = Promise.withResolvers<Message>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  /**
   * Ends the connection; what was sent still arrives. Nothing is heard any more, however much the other one says, and it can't
   * keep the connection open.
   * @param reason what `receive` rejects with from now on
   */
  close(reason: Error = new Error("the connection is closed")): void {
    this.#socket.end();
    const late = setTimeout(() => this.#socket.destroy(), LONGEST_FAREWELL).unref();
    this.#socket.once("close", () => clearTimeout(late));
    this.#end(reason);
  }

  /** Sends a message with copies of `descriptors`. Rejects when it can't be sent whole. */
  async sendWith(message: Message, descriptors: readonly number[]): Promise<void> {
    const bytes = encodeFrame(message, descriptors.length);
    const deadline = performance.now() + LONGEST_PASSAGE;
    let sent = 0;
    for (let given = 0; sent < bytes.length || given < descriptors.length; ) {
      const some = descriptors.slice(given, given + MOST_DESCRIPTORS);
      // The last piece takes all that is left, those before it one byte each: descriptors don't travel alone.
      const isLast = given + some.length === descriptors.length;
      const taken = sendPiece(this.#descriptor, bytes.subarray(sent, isLast ? undefined : sent + 1), some);
      sent += taken;
      if (taken > 0) given += some.length;
      else await this.#lookAgain(deadline);
    }
  }

  /** Asks for a message with descriptors by `request` and takes it. Rejects when it doesn't come whole. */
  async receiveWith(request: Message): Promise<Delivery> {
    // Before the other one can have answered.
    const readOn = leaveUnread(this.#socket);
    this.send(request);
    const descriptors: number[] = [];
    try {
      const message = await this.#gather(descriptors);
      readOn();
      return { message, descriptors };
    } catch (error) {
      closeAll(descriptors);
      throw error;
    }
  }

  async #gather(descriptors: number[]): Promise<Message> {
    const reader = new FrameReader();
    const deadline = performance.now() + LONGEST_PASSAGE;
    for (;;) {
      const { bytes, descriptors: more } = await this.#nextPiece(deadline);
      descriptors.push(...more);
      if (bytes.length === 0) throw new Error("the other process has closed the connection");
      const [frame, next] = reader.read(bytes);
      if (frame === undefined) continue;
      if (next !== undefined || reader.pending > 0) throw new FrameError("more came than was asked for");
      if (frame.descriptors !== descriptors.length)
        throw new FrameError(`${descriptors.length} descriptors came of ${frame.descriptors}`);
      return frame.message;
    }
  }

  async #nextPiece(deadline: number): Promise<ReceivedPiece> {
    for (;;) {
      const piece = receivePiece(this.#descriptor);
      if (piece !== null) return piece;
      await this.#lookAgain(deadline);
    }
  }

  async #lookAgain(deadline: number): Promise<void> {
    if (performance.now() > deadline) throw new Error("the other process doesn't go on");
    await delay(LOOK_AGAIN);
  }

  get #descriptor(): number {
    const descriptor = descriptorOf(this.#socket);
    if (descriptor === null) throw this.#error ?? new Error("the connection is closed");
    return descriptor;
  }

  #read(bytes: Buffer): void {
    if (this.#error !== null) return;
    try {
      for (const { message, descriptors } of this.#reader.read(bytes)) {
        if (descriptors > 0) throw new FrameError("nobody asked for descriptors");
        this.#hear(message);
      }
    } catch (error) {
      this.#end(error as Error);
      this.#socket.destroy();
    }
  }

  #hear(message: Message): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#messages.push(message);
    else waiting.resolve(message);
  }

  #end(error: Error): void {
    this.#error ??= error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#error);
    this.#closed.resolve();
  }
}
