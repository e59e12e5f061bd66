import { OutputSlab, returnOutputSlab, takeOutputSlab } from "../net/slabs.ts";
import type { Transport } from "../net/transport.ts";

const NO_BYTES = Buffer.alloc(0);

/** Those that have something to write, in this turn of the event loop. */
let waiting: ConnectionOutput[] = [];

function flushAll(): void {
  const outputs = waiting;
  waiting = [];
  for (const output of outputs) output.flush();
}

/**
 * Gathers the frames of a connection into one write for each turn of the event loop. What goes to the streams of one
 * connection comes from many others, each of which is read by itself: so a slab stays with the connection until all of them
 * were read, which is when `setImmediate` calls.
 */
export class ConnectionOutput {
  /** Write here from `at` on, after `reserve`, and advance `at`. */
  slab: Buffer = NO_BYTES;
  at = 0;
  readonly #transport: Transport;
  #slab: OutputSlab | null = null;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** Makes room for `bytes` in one piece. */
  reserve(bytes: number): void {
    if (this.slab.length - this.at >= bytes) return;
    this.flush();
    let slab = takeOutputSlab();
    if (slab.buffer.length < bytes) {
      returnOutputSlab(slab);
      slab = new OutputSlab(bytes);
    }
    this.#slab = slab;
    this.slab = slab.buffer;
    if (waiting.push(this) === 1) setImmediate(flushAll);
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
