import { LONGEST_PROXY_HEADER, type ProxiedAddresses, parseProxyHeader } from "../net/proxy-protocol.ts";
import type { TransportHandler } from "../net/transport.ts";

/** Told what a client's PROXY protocol header said. */
export interface ProxyHeaderListener {
  /** `early` is what came behind the header already, the callee's own. */
  onProxyHeader(addresses: ProxiedAddresses | null, early: Buffer): void;
  onProxyHeaderMissing(reason: string): void;
  onClose(error: Error | null): void;
}

const NOTHING = Buffer.alloc(0);

/** Reads the header that a connection begins with. It may come in any number of pieces. */
export class ProxyHeaderReader implements TransportHandler {
  readonly #listener: ProxyHeaderListener;
  #received: Buffer = NOTHING;
  #done = false;

  constructor(listener: ProxyHeaderListener) {
    this.#listener = listener;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#done) return;
    // More than the longest header needn't be kept to see whether there is one.
    const received = Buffer.concat([this.#received, bytes.subarray(start, end)]);
    const header = parseProxyHeader(received, 0, Math.min(received.length, LONGEST_PROXY_HEADER));
    this.#received = received;
    if (header.kind === "incomplete") return;
    this.#done = true;
    if (header.kind === "malformed") this.#listener.onProxyHeaderMissing(header.reason);
    else this.#listener.onProxyHeader(header.addresses, received.subarray(header.length));
  }

  onEnd(): void {
    if (this.#done) return;
    this.#done = true;
    this.#listener.onProxyHeaderMissing("the client ended before its header did");
  }

  onBlocked(): void {}
  onDrain(): void {}

  onClose(error: Error | null): void {
    this.#done = true;
    this.#listener.onClose(error);
  }
}
