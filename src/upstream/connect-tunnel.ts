import type { Socket } from "node:net";
import { ProxyError } from "../base/errors.ts";
import { ScanOutcome } from "../http1/head-limits.ts";
import { HeadScan } from "../http1/head-scan.ts";
import type { Address } from "../net/address.ts";
import { formatAddress } from "../net/address.ts";
import { authorityFor, type ConnectProxy } from "./connect-proxy.ts";

/** Of a proxy's answer: nothing of it is of use but its status. */
const LIMITS = { requestLine: 8 * 1024, bytes: 8 * 1024, fields: 64 };

/** Interim responses before the final one. */
const MAX_INTERIM = 8;

/** Told what became of a tunnel, once. */
export interface TunnelOwner {
  /** The connection is one to the server from here on; nothing is read from it. */
  onTunnel(): void;
  onTunnelFailed(error: ProxyError): void;
}

/**
 * Asks a proxy to connect, over a connection to it that stands. Its answer is read strictly and to its last byte, so that
 * nothing of it can be taken for the server's.
 *
 *     CONNECT host:port ──▶ 1xx* ──▶ 2xx: the tunnel stands
 *                             └────▶ anything else, too much, an end: it doesn't
 */
export class ConnectTunnel {
  readonly #socket: Socket;
  readonly #proxy: ConnectProxy;
  readonly #authority: string;
  /** Whether the server may have said something before it was asked. */
  readonly #allowsMore: boolean;
  readonly #owner: TunnelOwner;
  #held: Buffer = Buffer.alloc(0);
  #interim = 0;

  /** @throws RangeError when no proxy can lead there */
  constructor(
    socket: Socket,
    proxy: ConnectProxy,
    address: Address,
    allowsMore: boolean,
    owner: TunnelOwner,
  ) {
    this.#socket = socket;
    this.#proxy = proxy;
    this.#authority = authorityFor(address);
    this.#allowsMore = allowsMore;
    this.#owner = owner;
    // To listen for 'data' would leave the stream paused, or have it lose what nobody listens for yet.
    socket.on("readable", this.#onReadable);
    socket.on("end", this.#onEnd);
    const authorization =
      proxy.authorization === null ? "" : `Proxy-Authorization: ${proxy.authorization}\r\n`;
    socket.write(
      `CONNECT ${this.#authority} HTTP/1.1\r\nHost: ${this.#authority}\r\n${authorization}\r\n`,
      "latin1",
    );
  }

  readonly #onReadable = (): void => {
    const bytes = this.#socket.read() as Buffer | null;
    if (bytes !== null) this.#take(bytes);
  };

  #take(bytes: Buffer): void {
    this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes]);
    const scan = new HeadScan(LIMITS);
    for (let start = 0; ; start = scan.end) {
      const outcome = scan.scanResponse(this.#held, start, this.#held.length);
      if (outcome === ScanOutcome.Incomplete) {
        this.#held = this.#held.subarray(start);
        return;
      }
      if (outcome === ScanOutcome.Refused) {
        this.#fail(`answered ${this.#request} with what is no response (${scan.problem})`);
        return;
      }
      if (scan.status >= 200) {
        this.#conclude(scan.status, this.#held.subarray(scan.end));
        return;
      }
      if (scan.status === 101 || ++this.#interim > MAX_INTERIM) {
        this.#fail(`answered ${this.#request} with status ${scan.status}`);
        return;
      }
    }
  }

  get #request(): string {
    return `CONNECT ${this.#authority}`;
  }

  #conclude(status: number, rest: Buffer): void {
    if (status === 407) {
      const hint =
        this.#proxy.authorization === null ? "it wants a user and a password" : "not with this user";
      this.#fail(`answered ${this.#request} with status 407: ${hint}`);
    } else if (status >= 300) this.#fail(`answered ${this.#request} with status ${status}`);
    else if (rest.length > 0 && !this.#allowsMore) {
      this.#fail(`sent ${rest.length} bytes behind its answer, which nobody asked for`);
    } else {
      this.#leave();
      if (rest.length > 0) this.#socket.unshift(rest);
      this.#owner.onTunnel();
    }
  }

  readonly #onEnd = (): void => this.#fail(`closed the connection instead of answering ${this.#request}`);

  #fail(what: string): void {
    this.#leave();
    this.#owner.onTunnelFailed(
      new ProxyError("UPSTREAM_PROXY_REFUSED", `${formatAddress(this.#proxy.address)} ${what}`),
    );
  }

  #leave(): void {
    this.#socket.off("readable", this.#onReadable).off("end", this.#onEnd);
  }
}
