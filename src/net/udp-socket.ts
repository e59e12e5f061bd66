import { createSocket, type RemoteInfo, type Socket, type SocketOptions } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { type Address, formatAddress, formatHostPort } from "./address.ts";
import type { Endpoint } from "./proxy-protocol.ts";

/** Bytes of datagrams that the kernel may keep for us while we do something else; it may allow less. */
const RECEIVE_BUFFER = 4 * 1024 * 1024;
/** Bytes that may wait here to be sent: a kernel that takes nothing is met by losing datagrams, as networks do. */
const MOST_QUEUED = 1024 * 1024;

/** What binding to `::` says on a machine without IPv6. */
const NO_IPV6: readonly string[] = ["EAFNOSUPPORT", "EADDRNOTAVAIL"];

/** Who hears what comes to a socket. */
export interface DatagramHandler {
  /** `bytes` is the callee's own. */
  onDatagram(bytes: Buffer, from: RemoteInfo): void;
  /** Something couldn't be sent, or came back as an ICMP error. The socket goes on. */
  onDatagramError(error: Error): void;
}

export interface UdpBindOptions {
  /** True when other sockets are bound to the same address: the kernel gives each its share of the clients. */
  readonly reusePort: boolean;
}

/** A UDP socket, bound to an address that clients know or connected to a server. */
export class UdpSocket {
  readonly #socket: Socket;
  readonly #onSent: (error: Error | null) => void;
  #stands = false;
  #closed = false;

  private constructor(options: SocketOptions, handler: DatagramHandler) {
    // Only addresses are sent to; Node would look each one up and answer a turn later.
    this.#socket = createSocket({ ...options, lookup: echoAddress });
    this.#onSent = (error) => {
      if (error !== null && this.#stands && !this.#closed) handler.onDatagramError(error);
    };
    this.#socket.on("message", (bytes, from) => handler.onDatagram(bytes, from));
    this.#socket.on("error", this.#onSent);
  }

  /** A socket bound to `address`, all interfaces when it names no host. Rejects when it can't be had. */
  static async bind(address: Address, handler: DatagramHandler, options: UdpBindOptions): Promise<UdpSocket> {
    const { host, port } = withHost(address);
    if (host !== "") return await UdpSocket.#bindTo(await resolve(host), port, handler, options);
    try {
      return await UdpSocket.#bindTo("::", port, handler, options);
    } catch (error) {
      const { code = "" } = error as NodeJS.ErrnoException;
      if (!NO_IPV6.includes(code)) throw error;
      return await UdpSocket.#bindTo("0.0.0.0", port, handler, options);
    }
  }

  static async #bindTo(
    host: string,
    port: number,
    handler: DatagramHandler,
    { reusePort }: UdpBindOptions,
  ): Promise<UdpSocket> {
    const udp = new UdpSocket({ type: typeFor(host), reusePort }, handler);
    await udp.#finish((socket, done) => socket.bind(port, host, done));
    udp.#socket.setRecvBufferSize(RECEIVE_BUFFER);
    return udp;
  }

  /** A socket that hears of `address` only and sends there. Rejects when the host has no address. */
  static async connect(address: Address, handler: DatagramHandler): Promise<UdpSocket> {
    const { host, port } = withHost(address);
    const server = await resolve(host === "" ? "localhost" : host);
    const udp = new UdpSocket({ type: typeFor(server) }, handler);
    await udp.#finish((socket, done) => socket.connect(port, server, done));
    return udp;
  }

  /**
   * A socket on an address that others share (`reusePort`), which hears of `peer` only: what comes from there comes to this one
   * and to none of the others. Both are numeric. Rejects when it can't be had.
   */
  static async bindBetween(local: Endpoint, peer: Endpoint, handler: DatagramHandler): Promise<UdpSocket> {
    const udp = await UdpSocket.#bindTo(local.address, local.port, handler, { reusePort: true });
    await udp.#finish((socket, done) => socket.connect(peer.port, peer.address, done));
    return udp;
  }

  /**
   * Nothing new comes to a bound socket from then on, and it sends nothing any more; what waits in its queue is still told. It is
   * connected to itself, and the kernel looks for another that shares the address.
   */
  async deafen(): Promise<void> {
    const { host, port } = this;
    const self = host === "::" ? "::1" : host === "0.0.0.0" ? "127.0.0.1" : host;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.connect(port, self, (error?: Error) => (error instanceof Error ? reject(error) : resolve()));
    await promise;
  }

  async #finish(start: (socket: Socket, done: (error?: Error) => void) => void): Promise<void> {
    const { promise, resolve: succeed, reject } = Promise.withResolvers<void>();
    this.#socket.prependOnceListener("error", reject);
    try {
      start(this.#socket, (error) => (error instanceof Error ? reject(error) : succeed()));
      await promise;
      this.#socket.off("error", reject);
      this.#stands = true;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The address it is bound to: `host:port`. */
  get address(): string {
    const { address, port } = this.#socket.address();
    return formatHostPort(address, port);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** The address that a connected socket sends from. */
  get host(): string {
    return this.#socket.address().address;
  }

  /** Sends to the server it is connected to. False when too much waits already, and nothing was sent. */
  send(bytes: Buffer): boolean {
    if (this.#isFull) return false;
    this.#socket.send(bytes, this.#onSent);
    return true;
  }

  /** Sends to a client. False when too much waits already, and nothing was sent. */
  sendTo(bytes: Buffer, address: string, port: number): boolean {
    if (this.#isFull) return false;
    this.#socket.send(bytes, port, address, this.#onSent);
    return true;
  }

  get #isFull(): boolean {
    return this.#closed || this.#socket.getSendQueueSize() > MOST_QUEUED;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.close();
  }
}

function withHost(address: Address): { host: string; port: number } {
  if (address.kind === "tcp") return address;
  throw new TypeError(`UDP needs a host and a port, not ${formatAddress(address)}`);
}

async function resolve(host: string): Promise<string> {
  return isIP(host) > 0 ? host : (await lookup(host)).address;
}

function typeFor(host: string): "udp4" | "udp6" {
  return isIPv6(host) ? "udp6" : "udp4";
}

/** What `dns.lookup` would find out about an address. */
function echoAddress(
  host: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void,
): void {
  callback(null, host, isIP(host));
}
