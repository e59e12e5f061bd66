import { type OutputOwner, output } from "../net/output.ts";
import { type OutputSlab, returnOutputSlab, takeOutputSlab, takeOutputSlabFor } from "../net/slabs.ts";

const NO_BYTES = Buffer.alloc(0);

/** Those that have something to write, in this round of the event loop. */
let waiting: ConnectionOutput[] = [];

function flushAll(): void {
  const outputs = waiting;
  waiting = [];
  for (const output of outputs) output.onRoundEnd();
}

/** Whose output it is. */
export interface ConnectionOutputOwner {
  /** True while other connections may have something to say on this one. */
  readonly expectsMore: boolean;
}

/**
 * Gathers the frames of a connection into one write for each round of the event loop. What goes to the streams of one
 * connection comes from many others, each of which is read by itself: so a slab stays with the connection until all of them
 * were read, which is when `setImmediate` calls; or until nothing is left to wait for.
 *
 *     slab:  small, as many connections have one ── more than fits ──▶ large ── more than fits ──▶ written
 */
export class ConnectionOutput {
  /** Write here from `at` on, after `reserve`, and advance `at`. */
  slab: Buffer = NO_BYTES;
  at = 0;
  readonly #transport: OutputOwner;
  readonly #owner: ConnectionOutputOwner;
  #slab: OutputSlab | null = null;
  /** True once somebody will call to have it flushed. */
  #isWaiting = false;

  constructor(transport: OutputOwner, owner: ConnectionOutputOwner) {
    this.#transport = transport;
    this.#owner = owner;
  }

  /** Makes room for `bytes` in one piece. */
  reserve(bytes: number): void {
    if (this.slab.length - this.at >= bytes) return;
    if (this.#slab !== null && this.#enlarge(this.#slab, bytes)) return;
    this.flush();
    this.#use(takeOutputSlabFor(bytes));
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    if (!output.watchTurn(this)) this.#wait();
  }

  /** Moves what there is to a large slab, if that helps. */
  #enlarge(slab: OutputSlab, bytes: number): boolean {
    const large = takeOutputSlab();
    if (slab.buffer.length >= large.buffer.length || large.buffer.length - this.at < bytes) {
      returnOutputSlab(large);
      return false;
    }
    slab.buffer.copy(large.buffer, 0, 0, this.at);
    this.#use(large);
    returnOutputSlab(slab);
    return true;
  }

  #use(slab: OutputSlab): void {
    this.#slab = slab;
    this.slab = slab.buffer;
  }

  #wait(): void {
    if (waiting.push(this) === 1) setImmediate(flushAll);
  }

  onTurnEnd(): void {
    if (this.#owner.expectsMore) this.#wait();
    else this.onRoundEnd();
  }

  /** @internal */
  onRoundEnd(): void {
    this.#isWaiting = false;
    this.flush();
  }

  /** Writes out what is gathered; what the transport says meanwhile may gather more. */
  flush(): void {
    const slab = this.#slab;
    if (slab === null) return;
    const { at } = this;
    this.#slab = null;
    this.slab = NO_BYTES;
    this.at = 0;
    if (at === 0 || this.#transport.writeGathered(slab.view(at), slab)) returnOutputSlab(slab);
  }
}
