import { connect, type Socket } from "node:net";

/** A connection to a Unix socket. Rejects with Node's error. */
export async function connectTo(path: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect({ path }, resolve);
  socket.once("error", reject);
  await promise;
  socket.off("error", reject);
  return socket;
}
