import { Fifo } from "../base/fifo.ts";
import { Toxic } from "./toxic.ts";

/** What a chunk that waits costs beside its bytes: without it, a sender of single bytes could fill the memory. */
const CHUNK_COST = 256;

/** A chunk that waits. */
export interface Waiting {
  readonly chunk: Buffer;
  /** How much of it is passed on already. */
  passed: number;
  /** When it came. */
  readonly arrived: number;
  /** What was drawn for it. */
  readonly lot: number;
}

/** A toxic that lets chunks wait, in order, and the end behind them. */
export abstract class HoldingToxic<A> extends Toxic<A> {
  readonly #waiting: Fifo<Waiting> = new Fifo();
  #endWaits = false;

  /** True while no chunk waits. */
  protected get isEmpty(): boolean {
    return this.#waiting.isEmpty;
  }

  protected get first(): Waiting | undefined {
    return this.#waiting.first;
  }

  protected hold(chunk: Buffer, lot = 0): void {
    this.#waiting.push({ chunk, passed: 0, arrived: this.site.now(), lot });
    this.site.hold(chunk.length + CHUNK_COST);
  }

  /** Passes on what waits first: all of it, or its next `size` bytes. The end follows the last. */
  protected passFirst(size: number = Number.POSITIVE_INFINITY): void {
    const { first } = this;
    if (first === undefined) return;
    const { chunk, passed } = first;
    const isWhole = size >= chunk.length - passed;
    const end = isWhole ? chunk.length : passed + size;
    if (isWhole) this.#waiting.shift();
    else first.passed = end;
    this.pass(passed === 0 && isWhole ? chunk : chunk.subarray(passed, end));
    // Not before: the sender goes on with this, and what it says comes behind.
    this.site.release(end - passed + (isWhole ? CHUNK_COST : 0));
    if (this.#endWaits && this.isEmpty) this.#passEnd();
  }

  #passEnd(): void {
    this.#endWaits = false;
    this.next.end();
  }

  override end(): void {
    this.#endWaits = true;
    if (this.isEmpty) this.#passEnd();
  }

  /** Keeps the end back, though nothing waits before it. */
  protected holdEnd(): void {
    this.#endWaits = true;
  }

  override remove(): void {
    while (!this.isEmpty) this.passFirst();
    if (this.#endWaits) this.#passEnd();
  }

  override close(): void {
    this.#waiting.clear();
    this.#endWaits = false;
  }
}
