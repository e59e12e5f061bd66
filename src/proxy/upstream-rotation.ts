import { HttpPeer } from "../upstream/peer.ts";
import type { PeerTlsOptions } from "../upstream/peer-tls.ts";

/** How long a server that couldn't be reached is tried after the others, milliseconds. */
const SHUNNED = 10_000;

/** One server of a TCP or UDP proxy. */
export class UpstreamServer {
  /** As it was written. */
  readonly text: string;
  readonly peer: HttpPeer;
  #failedAt = Number.NEGATIVE_INFINITY;

  /** @throws RangeError when the address can't be read */
  constructor(text: string, connectTimeout: number, tls: PeerTlsOptions | null) {
    this.text = text;
    this.peer = new HttpPeer(text, { connectTimeout, ...(tls === null ? {} : { tls }) });
  }

  noteFailure(now: number): void {
    this.#failedAt = now;
  }

  noteSuccess(): void {
    this.#failedAt = Number.NEGATIVE_INFINITY;
  }

  isShunned(now: number): boolean {
    return now - this.#failedAt < SHUNNED;
  }
}

/** The servers of a TCP or UDP proxy, taken in turn; those that were just found dead come last. */
export class UpstreamRotation {
  readonly #servers: readonly UpstreamServer[];
  #turn = 0;

  /**
   * @param tls how TLS is spoken with them; null: it isn't
   * @throws RangeError when an address can't be read; TypeError when there is none
   */
  constructor(addresses: readonly string[], connectTimeout: number, tls: PeerTlsOptions | null = null) {
    if (addresses.length === 0) throw new TypeError("A proxy needs an upstream");
    this.#servers = addresses.map((text) => new UpstreamServer(text, connectTimeout, tls));
  }

  /** All servers, in the order in which they are to be tried now. */
  candidates(now: number): readonly UpstreamServer[] {
    const servers = this.#servers;
    if (servers.length === 1) return servers;
    const first = this.#turn++ % servers.length;
    const turned = [...servers.slice(first), ...servers.slice(0, first)];
    return turned.sort((a, b) => Number(a.isShunned(now)) - Number(b.isShunned(now)));
  }
}
