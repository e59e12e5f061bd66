import { connect, createServer, type Server, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls, createSecureContext, TLSSocket } from "node:tls";

/** Certificate, key and authority in PEM, of all who speak TLS in a run. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** What a connection is made of that encrypts: only that can be reset. */
const carriers = new WeakMap<Socket, Socket>();

/** Closes a connection with a reset, whatever is spoken on it. */
export function resetWire(socket: Socket): void {
  (carriers.get(socket) ?? socket).resetAndDestroy();
}

/** Connects to the proxy. `onReady` is called once: it may be written to. */
export function connectWire(options: TcpNetConnectOpts, tls: Identity | null, onReady: () => void): Socket {
  if (tls === null) return connect(options).on("connect", onReady);
  const { onread, ...rest } = options;
  const carrier = connect(rest);
  const socket = connectTls({
    socket: carrier,
    ca: tls.ca,
    servername: "localhost",
    ALPNProtocols: ["http/1.1"],
  });
  carriers.set(socket, carrier);
  // TLS reads into buffers of its own.
  if (onread !== undefined) socket.on("data", (bytes: Buffer) => void onread.callback(bytes.length, bytes));
  carrier.on("error", (error) => socket.destroy(error));
  return socket.on("secureConnect", onReady);
}

/** A server on whose connections `onSocket` speaks in the clear. */
export function createWireServer(tls: Identity | null, onSocket: (socket: Socket) => void): Server {
  if (tls === null) return createServer({ noDelay: true }, onSocket);
  const secureContext = createSecureContext({ cert: tls.cert, key: tls.key });
  return createServer({ noDelay: true }, (carrier) => {
    const socket = new TLSSocket(carrier, { isServer: true, secureContext });
    carriers.set(socket, carrier);
    carrier.on("error", () => socket.destroy());
    onSocket(socket);
  });
}
