import type { Socket } from "node:net";
import type { Address } from "../../net/address.ts";
import { describeFailure } from "./describe-failure.ts";
import type { ProbeResult } from "./probe.ts";
import type { SocketOpener } from "./probe-socket.ts";

/** Ends a run: null says that the server is well, anything else what went wrong. Only the first call counts. */
export type EndProbe = (failure: unknown) => void;

const WELL: ProbeResult = Object.freeze({ isHealthy: true });

/**
 * What all probes have in common: one connection, one result, and whatever happens, nothing is left behind.
 *
 *     open ──ready──▶ talk ──▶ end(null | failure) ──▶ connection closed, result given
 *       └ throws        └ throws   ▲ connection fails, or signal aborts: its reason is the result's
 *
 * @param talk called when the connection stands; whatever it makes of the connection has to go when the connection does
 */
export function runProbe(
  opener: SocketOpener,
  address: Address,
  signal: AbortSignal,
  talk: (socket: Socket, end: EndProbe) => void,
): Promise<ProbeResult> {
  const { promise, resolve } = Promise.withResolvers<ProbeResult>();
  let socket: Socket | null = null;
  const end: EndProbe = (failure) => {
    signal.removeEventListener("abort", onAbort);
    socket?.destroy();
    resolve(failure === null ? WELL : { isHealthy: false, reason: describeFailure(failure) });
  };
  const onAbort = (): void => end(signal.reason);
  const attempt = (step: () => void): void => {
    try {
      step();
    } catch (error) {
      end(error);
    }
  };
  attempt(() => {
    signal.throwIfAborted();
    signal.addEventListener("abort", onAbort);
    const opened = opener.open(address);
    socket = opened;
    // Stays for as long as the socket does: it may fail once more while it closes.
    opened.on("error", end);
    opened.once(opener.ready, () => attempt(() => talk(opened, end)));
  });
  return promise;
}
