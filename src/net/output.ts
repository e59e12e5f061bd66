import { copyPiece } from "../base/copy-piece.ts";
import { OutputSlab, returnOutputSlab, takeOutputSlab } from "./slabs.ts";

/** Who output is gathered for. */
export interface OutputOwner {
  /** Writes `view`, which lies in `slab`. True when everything went out at once, so that the slab is free again. */
  writeGathered(view: Buffer, slab: OutputSlab): boolean;
}

/** Who gathers output of its own, and wants to know when a turn is over. */
export interface TurnWatcher {
  onTurnEnd(): void;
}

/**
 * Gathers what one turn of the event loop has to say on a connection into one write: a head, its body and perhaps the
 * answer to the next pipelined request leave in one system call.
 *
 *     slab:  | already written … | gathered: start → at | room |
 *
 * There is one for the whole thread. It belongs to one connection at a time; when another one wants to write, or the
 * turn ends, what was gathered is flushed. If the flush could not complete, the slab goes with that write and a fresh
 * one takes its place.
 */
export class Output {
  /** Write here from `at` on, after `reserve`, and advance `at`. */
  slab: Buffer;
  at = 0;
  #slab: OutputSlab = takeOutputSlab();
  #owner: OutputOwner | null = null;
  #inTurn = false;
  #flushScheduled = false;
  readonly #watchers: TurnWatcher[] = [];

  constructor() {
    this.slab = this.#slab.buffer;
  }

  /** Makes room for `bytes` in one piece, for `owner`. */
  reserve(owner: OutputOwner, bytes: number): void {
    if (this.#owner !== owner) this.#changeOwner(owner);
    if (this.slab.length - this.at >= bytes) return;
    this.#flushAll();
    this.#owner = owner;
    if (this.slab.length < bytes) this.#use(new OutputSlab(bytes));
  }

  /** Appends a copy of `bytes[start..end)`. */
  copy(owner: OutputOwner, bytes: Buffer, start: number, end: number): void {
    let from = start;
    while (from < end) {
      this.reserve(owner, 1);
      const size = Math.min(end - from, this.slab.length - this.at);
      this.at = copyPiece(bytes, from, from + size, this.slab, this.at);
      from += size;
    }
  }

  /** Appends latin1 text. */
  text(owner: OutputOwner, text: string): void {
    this.reserve(owner, text.length);
    this.at += this.slab.write(text, this.at, "latin1");
  }

  /** True when something waits for the end of the turn to be written for `owner`. */
  gathersFor(owner: OutputOwner): boolean {
    return this.#owner === owner && this.at > 0;
  }

  /** True when something is gathered for `owner`, and `bytes` more would still leave with it in one write. */
  joinsWhole(owner: OutputOwner, bytes: number): boolean {
    return this.gathersFor(owner) && this.slab.length - this.at >= bytes;
  }

  /** Writes out what is gathered for `owner`, so that a write of its own can follow in order. */
  flushFor(owner: OutputOwner): void {
    while (this.#owner === owner) this.flush();
  }

  flush(): void {
    const owner = this.#owner;
    this.#owner = null;
    if (owner === null || this.at === 0) return;
    const { at } = this;
    const slab = this.#slab;
    // Swapped before the write: what the owner's handler says when it hears that the write has to wait must not land
    // in the bytes that wait.
    this.#use(takeOutputSlab());
    this.at = 0;
    if (!owner.writeGathered(slab.view(at), slab)) return;
    if (this.at > 0) returnOutputSlab(slab);
    else {
      // The slab just written is the one in the processor's cache.
      returnOutputSlab(this.#slab);
      this.#use(slab);
    }
  }

  #use(slab: OutputSlab): void {
    this.#slab = slab;
    this.slab = slab.buffer;
  }

  /** A read callback begins: what it says leaves when it ends. */
  beginTurn(): void {
    this.#inTurn = true;
  }

  endTurn(): void {
    this.#inTurn = false;
    if (this.#owner !== null) this.flush();
    if (this.#watchers.length > 0) this.#tellWatchers();
  }

  /** Has `watcher` told, once, that the turn is over; false when there is none, only a promise or a timer. */
  watchTurn(watcher: TurnWatcher): boolean {
    if (this.#inTurn) this.#watchers.push(watcher);
    return this.#inTurn;
  }

  #tellWatchers(): void {
    const watchers = this.#watchers;
    for (let watcher = watchers.pop(); watcher !== undefined; watcher = watchers.pop()) watcher.onTurnEnd();
  }

  /** Also what somebody says while another's bytes are written, which would go out under the next owner's name. */
  #flushAll(): void {
    while (this.#owner !== null) this.flush();
  }

  #changeOwner(owner: OutputOwner): void {
    this.#flushAll();
    this.#owner = owner;
    if (this.#inTurn || this.#flushScheduled) return;
    // Outside of a read callback (a promise, a timer): the turn ends with the current operation.
    this.#flushScheduled = true;
    process.nextTick(this.#flushScheduledTurn);
  }

  readonly #flushScheduledTurn = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };
}

/** The output of this thread. */
export const output: Output = new Output();
