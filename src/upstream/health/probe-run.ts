import type { Socket } from "node:net";
import type { Address } from "../../net/address.ts";
import type { SocketAttempt } from "../socket-attempt.ts";
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
  let opening: SocketAttempt | null = null;
  const end: EndProbe = (failure) => {
    signal.removeEventListener("abort", onAbort);
    opening?.cancel();
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
    opening = opener.open(address, {
      onSocket(opened) {
        socket = opened;
        // A server that ends its direction is done; Node's HTTP/2 would wait on.
        opened.allowHalfOpen = false;
        // Stays for as long as the socket does: it may fail once more while it closes.
        opened.on("error", end);
        attempt(() => talk(opened, end));
      },
      onSocketFailed: end,
    });
  });
  return promise;
}
