import { createServer, type IncomingMessage, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { listen } from "./ports.ts";

/** What a proxy was asked for. */
export interface ConnectRequest {
  readonly authority: string;
  readonly authorization: string | null;
}

/** A proxy that connects to whatever it is asked for, or answers as its test wants. */
export class ConnectProxyServer implements AsyncDisposable {
  readonly requests: ConnectRequest[] = [];
  port = 0;
  /** What is sent in place of a tunnel, to the byte; null: it tunnels. */
  answer: string | null = null;
  /** What goes before the bytes of the server. */
  greeting = "HTTP/1.1 200 Connection established\r\nVia: 1.1 a\r\n\r\n";
  readonly server: Server = createServer();
  readonly #sockets = new Set<Socket>();

  constructor() {
    this.server.on("connection", (socket) => this.#track(socket));
    this.server.on("connect", (request: IncomingMessage, socket: Socket) => this.#answer(request, socket));
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get open(): number {
    return this.#sockets.size;
  }

  #answer(request: IncomingMessage, socket: Socket): void {
    const authority = request.url ?? "";
    this.requests.push({ authority, authorization: request.headers["proxy-authorization"] ?? null });
    if (this.answer !== null) {
      // Node's servers keep what is half closed.
      socket.once("end", () => socket.destroy());
      socket.resume().write(this.answer, "latin1");
      return;
    }
    const { hostname, port } = new URL(`http://${authority}`);
    const server = connect(Number(port || 80), hostname, () => {
      socket.write(this.greeting, "latin1");
      socket.pipe(server).pipe(socket);
    });
    this.#track(server);
    server.once("close", () => socket.destroy());
    socket.once("close", () => server.destroy());
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => this.#sockets.delete(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.resolve();
  }
}

export async function startConnectProxy(): Promise<ConnectProxyServer> {
  const proxy = new ConnectProxyServer();
  proxy.port = await listen(proxy.server);
  return proxy;
}
