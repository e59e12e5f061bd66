import type { Socket } from "node:net";

/** Closes a connection with a reset, where it can have one: only TCP knows them, a Unix socket doesn't. */
export function resetSocket(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
