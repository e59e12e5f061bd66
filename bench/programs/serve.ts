import { Agent, createServer, type RequestListener } from "node:http";
import type { Server } from "node:net";

/** What every proxy in this folder is told on its command line. */
const [port = 0, originPort = 0] = process.argv.slice(2).map(Number);

export const origin: string = `http://127.0.0.1:${originPort}`;

/** The upstream connections, kept as long as there is any use for them. */
export const agent: Agent = new Agent({ keepAlive: true, maxFreeSockets: 1024 });

/** Listens with the time-outs of the other peers: node:http closes idle connections after 5 s. */
export function serve(listener: RequestListener): void {
  const server = createServer({ keepAliveTimeout: 75_000, noDelay: true }, listener);
  listen(server);
}

/** Listens where the proxy is to be found. */
export function listen(server: Server): void {
  server.listen(port, "127.0.0.1", 4096);
}
