import { once } from "node:events";
import { createServer } from "node:http";
import {
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { Http2Client } from "./http2-client.ts";
import { listen } from "./ports.ts";

const MAX_PAYLOAD = 64 * 1024 * 1024;

/** What `ws` makes a WebSocket of once the handshake is over; it doesn't know the one of HTTP/2. */
interface Bare extends WebSocket {
  _isServer: boolean;
  setSocket(socket: Duplex, head: Buffer, options: object): void;
}

const BareSocket = WebSocket as unknown as new (address: null, protocols: undefined, options: object) => Bare;

function overStream(stream: Duplex, isServer: boolean): WebSocket {
  const socket = new BareSocket(null, undefined, { autoPong: true, closeTimeout: 30_000 });
  socket._isServer = isServer;
  const options = { maxPayload: MAX_PAYLOAD, allowSynchronousEvents: true, skipUTF8Validation: false };
  socket.setSocket(stream, Buffer.alloc(0), options);
  return socket;
}

/** A server of WebSockets that speaks one version of HTTP. */
export interface SocketServer extends AsyncDisposable {
  readonly port: number;
  /** The server's end of the next WebSocket. */
  accept(): Promise<WebSocket>;
}

export function startSocketServer(version: 1 | 2): Promise<SocketServer> {
  return version === 1 ? startHttp1Server() : startHttp2Server();
}

async function startHttp1Server(): Promise<SocketServer> {
  const http = createServer();
  const server = new WebSocketServer({ server: http, maxPayload: MAX_PAYLOAD });
  const port = await listen(http);
  return {
    port,
    accept: async () => ((await once(server, "connection")) as [WebSocket])[0],
    async [Symbol.asyncDispose](): Promise<void> {
      for (const client of server.clients) client.terminate();
      server.close();
      http.close();
      await once(http, "close");
    },
  };
}

async function startHttp2Server(): Promise<SocketServer> {
  const server = createHttp2Server({ settings: { enableConnectProtocol: true } });
  const sessions = new Set<ServerHttp2Session>();
  const accepting: ((socket: WebSocket) => void)[] = [];
  server.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
  });
  server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const isAsked = headers[":method"] === "CONNECT" && headers[":protocol"] === "websocket";
    stream.respond({ ":status": isAsked && headers["sec-websocket-key"] === undefined ? 200 : 400 });
    stream.on("error", () => undefined);
    accepting.shift()?.(overStream(stream, true));
  });
  const port = await listen(server);
  return {
    port,
    accept: () => new Promise((resolve) => void accepting.push(resolve)),
    async [Symbol.asyncDispose](): Promise<void> {
      for (const session of sessions) session.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/**
 * The client's end of a WebSocket through a port, which is closed with `clients`.
 * @param tls null without
 */
export async function openSocket(
  version: 1 | 2,
  port: number,
  clients: AsyncDisposableStack,
  tls: { readonly ca: string; readonly servername: string } | null = null,
): Promise<WebSocket> {
  if (version === 1) {
    const address = `${tls === null ? "ws" : "wss"}://127.0.0.1:${port}/chat`;
    const socket = new WebSocket(address, { perMessageDeflate: false, ...tls });
    clients.defer(() => socket.terminate());
    await once(socket, "open");
    return socket;
  }
  const client = clients.use(new Http2Client(port, tls ?? {}));
  await once(client.session, "remoteSettings");
  const stream = client.open({
    ":method": "CONNECT",
    ":protocol": "websocket",
    ":scheme": tls === null ? "http" : "https",
    ":path": "/chat",
    "sec-websocket-version": "13",
  });
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  if (headers[":status"] !== 200) throw new Error(`answered with ${headers[":status"]}`);
  return overStream(stream, false);
}
