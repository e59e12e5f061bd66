import { Alarm, type AlarmClock } from "../base/alarms.ts";
import type { Transport } from "../net/transport.ts";
import type { Wire } from "../net/wire.ts";
import type { Faults, FaultyConnection } from "./faults.ts";
import type { Link, LinkPort } from "./link.ts";

/**
 * Lays faults on a client's connection: what it sends passes the upstream link, what it is sent the downstream link.
 * Whoever uses the transport, a TCP relay or an HTTP server, doesn't notice but by what comes and when. A connection
 * that has them already is left alone.
 *
 * @param onCut told before a toxic closes or resets the connection
 * @returns the links that were laid; null when there were some already
 */
export function layFaults(
  faults: Faults,
  transport: Transport,
  onCut: CutListener | null = null,
): FaultyConnection | null {
  if (transport.hasWire || transport.closed) return null;
  const upstream = new IncomingPort(transport, faults.clock, onCut);
  const downstream = new OutgoingPort(transport, faults.clock, onCut);
  const connection = faults.open({ upstream, downstream });
  const wire = new FaultyWire(connection.upstream, connection.downstream, () => connection.close());
  transport.attachWire(wire);
  return connection;
}

/** Told which toxic ends a connection, and whether with a reset. */
export type CutListener = (toxic: string, isReset: boolean) => void;

class FaultyWire implements Wire {
  readonly incoming: Link;
  readonly outgoing: Link;
  readonly close: () => void;

  constructor(incoming: Link, outgoing: Link, close: () => void) {
    this.incoming = incoming;
    this.outgoing = outgoing;
    this.close = close;
  }
}

/** Milliseconds that a client has to take what was sent last and to close its side of a connection that a toxic closed. */
const CLOSE_GRACE = 1_000;

abstract class TransportPort {
  protected readonly transport: Transport;
  readonly #clock: AlarmClock;
  readonly #onCut: CutListener | null;

  constructor(transport: Transport, clock: AlarmClock, onCut: CutListener | null) {
    this.transport = transport;
    this.#clock = clock;
    this.#onCut = onCut;
  }

  close(toxic: string): void {
    const { transport } = this;
    if (!transport.closed) this.#onCut?.(toxic, false);
    transport.finish();
    const { socket } = transport;
    if (socket.destroyed) return;
    new Alarm(this.#clock, () => socket.destroy()).set(this.#clock.now() + CLOSE_GRACE);
  }

  /** The transport's handler hears of it as if the client had done it. */
  reset(toxic: string): void {
    const { transport } = this;
    if (!transport.closed) this.#onCut?.(toxic, true);
    transport.handleError(Object.assign(new Error(`reset by toxic ${toxic}`), { code: "ECONNRESET" }));
    transport.reset();
  }
}

/** The end of the upstream link: the transport's handler. */
class IncomingPort extends TransportPort implements LinkPort {
  deliver(chunk: Buffer): void {
    this.transport.deliver(chunk);
  }

  deliverEnd(): void {
    this.transport.deliverEnd();
  }

  onFull(): void {
    this.transport.holdReading();
  }

  onRoom(): void {
    this.transport.releaseReading();
  }
}

/** The end of the downstream link: the socket. */
class OutgoingPort extends TransportPort implements LinkPort {
  deliver(chunk: Buffer): void {
    this.transport.writeThrough(chunk);
  }

  deliverEnd(): void {
    this.transport.endThrough();
  }

  onFull(): void {
    this.transport.holdWriting();
  }

  onRoom(): void {
    this.transport.releaseWriting();
  }
}
