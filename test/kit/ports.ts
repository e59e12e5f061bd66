import { once } from "node:events";
import { createServer, type Server } from "node:net";

/** Where to listen: on a Unix socket, or on an address of this machine. */
export interface ListenOptions {
  /** 127.0.0.1 when absent. */
  readonly host?: string;
  /** Chosen by the kernel when absent; name one only to come back on the port of a server that has gone. */
  readonly port?: number;
  readonly path?: string;
  /** Connections that may wait to be accepted; 511 when absent. */
  readonly backlog?: number;
}

/** Starts `server` and returns its port, 0 on a Unix socket. */
export async function listen(server: Server, options: ListenOptions = {}): Promise<number> {
  const { host = "127.0.0.1", port = 0, path, backlog } = options;
  const more = backlog === undefined ? {} : { backlog };
  server.listen({ ...(path === undefined ? { host, port } : { path }), ...more });
  await once(server, "listening");
  const address = server.address();
  return address !== null && typeof address === "object" ? address.port : 0;
}

/**
 * A TCP port that was free a moment ago. Listen on port 0 wherever the program can say which port it got; this is for
 * the ones that can't, and for addresses on which nobody listens.
 */
export async function freePort(host = "127.0.0.1"): Promise<number> {
  const server = createServer();
  const port = await listen(server, { host });
  server.close();
  await once(server, "close");
  return port;
}

/** An address as command lines and URLs want it: IPv6 in brackets. */
export function formatAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
