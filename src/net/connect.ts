import type { NetConnectOpts } from "node:net";
import type { Address } from "./address.ts";
import { createConnecting } from "./onread-socket.ts";
import type { Transport, TransportHandler } from "./transport.ts";

export interface ConnectOptions {
  /** Milliseconds of idleness after which TCP keep-alive probes start; 0 leaves them off. */
  readonly keepAlive?: number;
  /** Local address to connect from. */
  readonly localAddress?: string;
}

/**
 * Opens a connection; `onConnect` is called once it stands. A failure arrives as the handler's `onClose` with its error.
 */
export function connectTo(
  address: Address,
  options: ConnectOptions,
  handler: TransportHandler,
  onConnect: () => void,
): Transport {
  const transport = createConnecting(handler);
  const { socket } = transport;
  if (address.kind === "unix") socket.connect({ path: address.path }, onConnect);
  else {
    const { localAddress, keepAlive = 0 } = options;
    const local = localAddress === undefined ? {} : { localAddress };
    if (keepAlive > 0) socket.setKeepAlive(true, keepAlive);
    socket.connect(
      { host: address.host === "" ? "localhost" : address.host, port: address.port, ...local },
      onConnect,
    );
  }
  return transport;
}

/** The same as node:net takes it, where a socket is wanted and no transport. */
export function toNodeOptions(
  address: Address,
  { localAddress, keepAlive = 0 }: ConnectOptions,
): NetConnectOpts {
  if (address.kind === "unix") return { allowHalfOpen: true, path: address.path };
  return {
    allowHalfOpen: true,
    host: address.host === "" ? "localhost" : address.host,
    port: address.port,
    noDelay: true,
    keepAlive: keepAlive > 0,
    keepAliveInitialDelay: keepAlive,
    ...(localAddress === undefined ? {} : { localAddress }),
  };
}
