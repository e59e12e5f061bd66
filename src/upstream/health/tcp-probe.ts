import type { Address } from "../../net/address.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { runProbe } from "./probe-run.ts";
import { type ProbeConnection, SocketOpener } from "./probe-socket.ts";

/** A server is well when a connection can be made, whatever becomes of it. */
export class TcpProbe implements Probe {
  readonly #opener: SocketOpener;

  constructor(connection: Omit<ProbeConnection, "tls"> = {}) {
    this.#opener = new SocketOpener({ ...connection, tls: null });
  }

  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    return runProbe(this.#opener, address, signal, (_socket, end) => end(null));
  }
}
