import type { Address } from "../../net/address.ts";
import type { Probe, ProbeResult } from "./probe.ts";
import { runProbe } from "./probe-run.ts";
import { type ProbeConnection, SocketOpener } from "./probe-socket.ts";

/** A server is well when a TLS handshake succeeds; by default, also its certificate has to be good. */
export class TlsProbe implements Probe {
  readonly #opener: SocketOpener;

  /** @throws Error when OpenSSL refuses a certificate */
  constructor(connection: ProbeConnection) {
    this.#opener = new SocketOpener(connection);
  }

  run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    return runProbe(this.#opener, address, signal, (socket, end) => {
      // The last of the handshake isn't sent yet; closed now, the connection would look broken to the server each time.
      socket.end(() => end(null));
    });
  }
}
