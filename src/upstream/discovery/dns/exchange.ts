import { createSocket } from "node:dgram";
import { createConnection, isIPv6 } from "node:net";

/** Where a name server listens. */
export interface NameServer {
  readonly host: string;
  readonly port: number;
}

/** Reads the answer that is waited for; null for whatever else comes. */
export type ReadAnswer<T> = (message: Uint8Array) => T | null;

/**
 * Asks in a datagram. The socket is new each time, and so is its port, which the kernel chooses at random; it is
 * connected, so that only the server's own datagrams are taken and a closed port is heard of. What is no answer to the
 * question is passed over. `signal` closes the socket, and has to be aborted in the end; nothing settles then.
 */
export function askByDatagram<T>(
  { host, port }: NameServer,
  query: Uint8Array,
  read: ReadAnswer<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
  signal.addEventListener("abort", () => socket.close());
  socket.on("error", reject);
  socket.on("message", (message) => {
    const answer = read(message);
    if (answer !== null) resolve(answer);
  });
  socket.on("connect", () => socket.send(query));
  socket.connect(port, host);
  return promise;
}

/** Asks over a connection, for answers that fit into no datagram. `signal` as above. */
export function askByConnection<T>(
  { host, port }: NameServer,
  query: Uint8Array,
  read: ReadAnswer<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const socket = createConnection({ host, port });
  signal.addEventListener("abort", () => socket.destroy());
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("the connection was closed before the answer")));
  let received = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    const message = takeMessage(received);
    if (message === null) return;
    const answer = read(message);
    if (answer === null) reject(new Error("what it answered is no answer to the question"));
    else resolve(answer);
  });
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  socket.write(Buffer.concat([length, query]));
  return promise;
}

/** Over a connection each message has its length before it (RFC 1035 §4.2.2). Null until it is whole. */
function takeMessage(bytes: Buffer): Buffer | null {
  if (bytes.length < 2) return null;
  const end = 2 + bytes.readUInt16BE();
  return bytes.length < end ? null : bytes.subarray(2, end);
}
