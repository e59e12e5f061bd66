import { Alarm } from "../base/alarms.ts";
import { Counter, type Counters } from "../base/counters.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import type { Faults, FaultyConnection } from "../chaos/faults.ts";
import type { LinkPort } from "../chaos/link.ts";
import { encodeProxyHeader, type ProxiedAddresses } from "../net/proxy-protocol.ts";
import { type DatagramHandler, UdpSocket } from "../net/udp-socket.ts";
import { kindOfCut } from "./kind-of-cut.ts";
import type { ConnectionState, StreamEvent, StreamTraffic } from "./stream-proxy.ts";
import type { MeteredStream } from "./traffic/stream-meter.ts";
import type { UpstreamServer } from "./upstream-rotation.ts";

/** What a session needs of its proxy. */
export interface UdpHost {
  readonly faults: Faults | null;
  readonly counters: Counters;
  readonly idle: TimeoutQueue;
  readonly sendsProxyProtocol: boolean;
  /** Sends to a client; false when that had to be left out. */
  reply(bytes: Buffer, client: ClientAddress): boolean;
  tell(kind: StreamEvent["kind"], session: UdpSession, detail: string): void;
  onSessionClosed(session: UdpSession): void;
}

/** Where a client's datagrams come from, and answers go to. */
export interface ClientAddress {
  readonly address: string;
  readonly port: number;
}

/** Datagrams that wait for the socket to the server; the rest is lost. */
const MOST_EARLY = 64;

/**
 * What one client and one server say to each other: begins with a datagram of the client's, ends when neither has said
 * anything for a while.
 *
 *     client ──▶ [upstream link] ──▶ socket of its own ──▶ server
 *            ◀── [downstream link] ◀──
 */
export class UdpSession implements DatagramHandler, DeadlineOwner {
  readonly id: string;
  /** By what the proxy finds it. */
  readonly key: string;
  /** Whom it is for: `address:port`. */
  readonly client: string;
  readonly clientAddress: string;
  readonly server: UpstreamServer;
  readonly metered: MeteredStream | null;
  bytesUp = 0;
  bytesDown = 0;
  /** Datagrams that there was no room for. */
  lost = 0;
  #sentUp = 0;
  #sentDown = 0;
  readonly #host: UdpHost;
  /** Where its datagrams come from. */
  readonly from: ClientAddress;
  readonly #since: number = performance.now();
  readonly #deadline: Deadline = new Deadline(this);
  /** The PROXY protocol header that every datagram to the server begins with. */
  readonly #header: Buffer | null;
  #socket: UdpSocket | null = null;
  #early: Buffer[] | null = [];
  #delay: Alarm | null = null;
  #links: FaultyConnection | null = null;
  /** The server's side answers with errors: told once, until it answers with something else. */
  #isBroken = false;
  #closed = false;
  readonly #up: SessionPort;
  readonly #down: SessionPort;

  constructor(host: UdpHost, init: UdpSessionInit) {
    const { id, key, from, client, clientAddress, server, addresses, metered } = init;
    this.metered = metered;
    this.#host = host;
    this.id = id;
    this.key = key;
    this.from = from;
    this.client = client;
    this.clientAddress = clientAddress;
    this.server = server;
    this.#header = host.sendsProxyProtocol ? encodeProxyHeader(2, addresses, "udp") : null;
    this.#up = new SessionPort(this, (bytes) => this.#sendUp(bytes));
    this.#down = new SessionPort(this, (bytes) => this.#sendDown(bytes));
  }

  get state(): ConnectionState {
    const links = this.#links;
    return {
      id: this.id,
      client: this.client,
      upstream: this.server.text,
      bytesUp: this.bytesUp,
      bytesDown: this.bytesDown,
      age: performance.now() - this.#since,
      toxics: links === null ? [] : [...links.upstream.active, ...links.downstream.active],
    };
  }

  get traffic(): StreamTraffic {
    return {
      receivedUp: this.bytesUp,
      sentUp: this.#sentUp,
      receivedDown: this.bytesDown,
      sentDown: this.#sentDown,
    };
  }

  /** Makes its socket, `delay` milliseconds from now. */
  start(delay: number): void {
    const { faults } = this.#host;
    this.stayAlive();
    // A socket for datagrams is there at once: how long that takes says nothing of the server.
    this.metered?.onConnected(this.server.text, false);
    if (faults?.isActive === true) this.layFaults();
    this.#host.tell("opened", this, `to ${this.server.text}`);
    if (delay === 0 || faults === null) void this.#connect();
    else {
      this.#delay = new Alarm(faults.clock, () => void this.#connect());
      this.#delay.set(faults.clock.now() + delay);
    }
  }

  async #connect(): Promise<void> {
    const { counters } = this.#host;
    try {
      const socket = await UdpSocket.connect(this.server.peer.address, this);
      if (this.#closed) socket.close();
      else this.#open(socket);
    } catch (error) {
      counters.add(Counter.upstreamConnectFailures);
      this.onDatagramError(error as Error);
      this.close("");
    }
  }

  #open(socket: UdpSocket): void {
    const early = this.#early ?? [];
    this.#socket = socket;
    this.#early = null;
    this.#host.counters.add(Counter.upstreamConnects);
    for (const bytes of early) this.#sendUp(bytes);
  }

  /** Lays the proxy's faults on it, unless it has them. */
  layFaults(): void {
    this.#links ??=
      this.#host.faults?.open({ upstream: this.#up, downstream: this.#down }, "datagrams") ?? null;
  }

  // ── the way of a datagram ──────────────────────────────────────────────────────────────────────────────────────

  /** From the client. */
  take(bytes: Buffer): void {
    this.stayAlive();
    this.bytesUp += bytes.length;
    this.metered?.onMoved(this.bytesUp, this.bytesDown);
    const link = this.#links?.upstream;
    if (link === undefined || link.isClear) this.#sendUp(bytes);
    else if (this.#up.isFull) this.lost++;
    else link.push(bytes, 0, bytes.length);
  }

  #sendUp(bytes: Buffer): void {
    if (this.#early !== null) {
      if (this.#early.length < MOST_EARLY) this.#early.push(bytes);
      else this.lost++;
      return;
    }
    const datagram = this.#header === null ? bytes : Buffer.concat([this.#header, bytes]);
    if (this.#socket?.send(datagram) === true) this.#sentUp += bytes.length;
    else this.lost++;
  }

  /** From the server. */
  onDatagram(bytes: Buffer): void {
    this.stayAlive();
    if (this.#isBroken) this.server.noteSuccess();
    this.#isBroken = false;
    this.bytesDown += bytes.length;
    this.metered?.onMoved(this.bytesUp, this.bytesDown);
    const link = this.#links?.downstream;
    if (link === undefined || link.isClear) this.#sendDown(bytes);
    else if (this.#down.isFull) this.lost++;
    else link.push(bytes, 0, bytes.length);
  }

  #sendDown(bytes: Buffer): void {
    if (this.#host.reply(bytes, this.from)) this.#sentDown += bytes.length;
    else this.lost++;
  }

  /** Nobody listens at the server's port, say. It may again: the session goes on. */
  onDatagramError(error: Error): void {
    const code = (error as NodeJS.ErrnoException).code ?? error.message;
    this.#host.counters.add(Counter.upstreamErrors);
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.server.noteFailure(performance.now());
    this.#host.tell("connect-failed", this, `${code} ${this.server.text}`);
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The time of silence begins anew. */
  stayAlive(): void {
    this.#host.idle.set(this.#deadline);
  }

  onDeadline(queue: TimeoutQueue): void {
    this.close(`silent for ${queue.duration} ms`);
  }

  /** Somebody wants it ended. */
  cut(): void {
    this.#host.tell("reset", this, "cut");
    this.close("cut");
  }

  /** @internal a toxic ends it */
  onCut(toxic: string, isReset: boolean): void {
    const detail = `by toxic ${toxic}`;
    const kind = kindOfCut(this.#host.faults, toxic, isReset);
    if (kind !== "closed") this.#host.tell(kind, this, detail);
    this.close(detail);
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#deadline.clear();
    this.#delay?.clear();
    this.#links?.close();
    this.#socket?.close();
    this.#early = null;
    this.#host.tell("closed", this, this.#summary(reason));
    this.#host.onSessionClosed(this);
  }

  #summary(reason: string): string {
    const seconds = ((performance.now() - this.#since) / 1000).toFixed(3);
    const lost = this.lost === 0 ? "" : `, ${this.lost} datagrams lost for want of room`;
    const why = reason === "" ? "" : `, ${reason}`;
    return `${this.bytesUp} B up, ${this.bytesDown} B down in ${seconds} s${lost}${why}`;
  }
}

export interface UdpSessionInit {
  readonly id: string;
  readonly key: string;
  readonly from: ClientAddress;
  readonly client: string;
  readonly clientAddress: string;
  readonly server: UpstreamServer;
  /** What the server is told by PROXY protocol. */
  readonly addresses: ProxiedAddresses | null;
  /** Counts what it moves; null: nobody does. */
  readonly metered: MeteredStream | null;
}

/** The end of one of a session's links. Nobody can stop a sender of datagrams: while the link is full they are lost. */
class SessionPort implements LinkPort {
  isFull = false;
  readonly #session: UdpSession;
  readonly deliver: (chunk: Buffer) => void;

  constructor(session: UdpSession, deliver: (chunk: Buffer) => void) {
    this.#session = session;
    this.deliver = deliver;
  }

  deliverEnd(): void {}

  onFull(): void {
    this.isFull = true;
  }

  onRoom(): void {
    this.isFull = false;
  }

  close(toxic: string): void {
    this.#session.onCut(toxic, false);
  }

  reset(toxic: string): void {
    this.#session.onCut(toxic, true);
  }
}
