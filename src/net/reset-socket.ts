import type { Socket } from "node:net";
import { wasReset } from "./node-sockets.ts";

/**
 * Closes a connection with a reset, where it can have one: only TCP knows them, a Unix socket doesn't.
 * @param carrier the socket that the kernel knows, where `socket` encrypts
 */
export function resetSocket(socket: Socket, carrier: Socket = socket): void {
  // A reset in the middle of a shutdown fails, and Node would never say that the socket is closed. TLS begins the carrier's own
  // shutdown past the carrier's stream.
  const isEnding = isShuttingDown(carrier) || isShuttingDown(socket);
  try {
    // While it connects, Node would put the reset off until the connection stands.
    if (socket.connecting || isEnding) socket.destroy();
    else carrier.resetAndDestroy();
  } catch {
    socket.destroy();
  }
}

function isShuttingDown({ writableEnded, writableFinished }: Socket): boolean {
  return writableEnded && !writableFinished;
}

/**
 * Whether `socket`, which encrypts and has read its end, was reset without a word from TLS: that was told of it when it had to say
 * something of its own, such as a new session, and is never done with a write after that.
 */
export function isLost(socket: Socket, carrier: Socket): boolean {
  // Where both have ended the kernel doesn't know the peer any more either.
  return (!socket.writableEnded || socket.writableLength > 0) && wasReset(carrier);
}

/**
 * Has such a socket, whose end is about to be told, meet the reset that it was lost by.
 * @param isUnsaid the peer hasn't told of the end, so there was none
 */
export function meetReset(socket: Socket, carrier: Socket, isUnsaid: boolean): void {
  if (!isLost(socket, carrier)) return;
  if (isUnsaid) socket.destroy(Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET" }));
  else socket.once("end", () => socket.destroy());
}
