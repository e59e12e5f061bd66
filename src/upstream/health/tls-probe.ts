import type { Address } from "../../net/address.ts";
import type { ProbeTls } from "../group-settings.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { runProbe } from "./probe-run.ts";
import { createOpener, type SocketOpener } from "./probe-socket.ts";

/** A server is well when a TLS handshake succeeds; with `verify`, also its certificate has to be good. */
export class TlsProbe implements Probe {
  readonly #opener: SocketOpener;

  /** @throws Error when the certificates to trust can't be read */
  constructor(tls: ProbeTls) {
    this.#opener = createOpener(tls);
  }

  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    return runProbe(this.#opener, address, signal, (socket, end) => {
      // The last of the handshake isn't sent yet; closed now, the connection would look broken to the server each time.
      socket.end(() => end(null));
    });
  }
}
