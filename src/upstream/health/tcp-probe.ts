import type { Address } from "../../net/address.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { runProbe } from "./probe-run.ts";
import { PLAIN } from "./probe-socket.ts";

/** A server is well when a connection can be made, whatever becomes of it. */
export class TcpProbe implements Probe {
  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    return runProbe(PLAIN, address, signal, (_socket, end) => end(null));
  }
}
