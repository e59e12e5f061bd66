import type { Endpoint } from "../net/proxy-protocol.ts";
import { type DatagramHandler, UdpSocket } from "../net/udp-socket.ts";

/** Senders that get a socket of their own; what others sent is answered as long as it takes to open these. */
const MOST = 4096;

/**
 * Sockets for single senders, on an address that others listen on from now on: each gets what comes from its sender, so that
 * sessions go on where they began.
 *
 *     10.0.0.1:5000 ──▶ its own socket ──▶ this thread's session
 *     anybody else  ──▶ the shared ones ──▶ others
 */
export class SenderSockets {
  readonly #local: Endpoint;
  readonly #handler: DatagramHandler;
  readonly #sockets = new Map<string, UdpSocket>();

  /** @param local the address that is shared, as it is bound */
  constructor(local: Endpoint, handler: DatagramHandler) {
    this.#local = local;
    this.#handler = handler;
  }

  /** One for each that has none yet, as far as there can be so many. */
  async open(senders: readonly Endpoint[]): Promise<void> {
    const missing = new Map(senders.map((sender) => [keyOf(sender), sender]));
    for (const key of this.#sockets.keys()) missing.delete(key);
    const room = MOST - this.#sockets.size;
    await Promise.all([...missing].slice(0, room).map(([key, sender]) => this.#open(key, sender)));
  }

  async #open(key: string, sender: Endpoint): Promise<void> {
    try {
      this.#sockets.set(key, await UdpSocket.bindBetween(this.#local, sender, this.#handler));
    } catch {
      // Without one its sessions end, as they would have with all of them.
    }
  }

  /** Leaves all but these: some may have become nobody's while their sockets were opened. */
  keepOnly(senders: readonly Endpoint[]): void {
    const kept = new Set(senders.map(keyOf));
    for (const [key, socket] of this.#sockets) {
      if (kept.has(key)) continue;
      socket.close();
      this.#sockets.delete(key);
    }
  }

  has(sender: Endpoint): boolean {
    return this.#sockets.has(keyOf(sender));
  }

  /** False when too much waits, or it has no socket. */
  send(bytes: Buffer, to: Endpoint): boolean {
    return this.#sockets.get(keyOf(to))?.send(bytes) ?? false;
  }

  /** What comes from there is others' concern from now on. */
  leave(sender: Endpoint): void {
    this.#sockets.get(keyOf(sender))?.close();
    this.#sockets.delete(keyOf(sender));
  }

  close(): void {
    for (const socket of this.#sockets.values()) socket.close();
    this.#sockets.clear();
  }
}

function keyOf({ address, port }: Endpoint): string {
  return `${address} ${port}`;
}
