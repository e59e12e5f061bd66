import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { WebSocketServer } from "ws";

/** What the page tells when everything is loaded. */
export interface PageReport {
  /** Of each resource, how often it was loaded over which protocol, as the browser calls it. */
  readonly protocols: Readonly<Record<string, number>>;
  /** Resources that came to nothing. */
  readonly failed: number;
  /** What came back over the WebSocket. */
  readonly echo: string;
}

/** The server of a page with many resources, which tells how it was loaded. */
export interface PageServer extends AsyncDisposable {
  readonly address: string;
  readonly report: Promise<PageReport>;
  /** Requests for WebSockets that came, as upgrades. */
  readonly upgrades: () => number;
}

const DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"><rect width="4" height="4"/></svg>';

/** Runs in the page: waits for all resources, talks over a WebSocket, tells. */
const SCRIPT = `
performance.setResourceTimingBufferSize(1000);
let failed = 0;
addEventListener("error", () => failed++, true);
addEventListener("load", () => {
  const socket = new WebSocket("wss://" + location.host + "/socket");
  const tell = (echo) => {
    const protocols = {};
    for (const { name, nextHopProtocol } of performance.getEntriesByType("resource"))
      if (name.includes("/part/")) protocols[nextHopProtocol] = (protocols[nextHopProtocol] ?? 0) + 1;
    void fetch("/report", { method: "POST", body: JSON.stringify({ protocols, failed, echo }) });
  };
  socket.onopen = () => socket.send("over one connection");
  socket.onmessage = ({ data }) => { tell(data); socket.close(); };
  socket.onerror = () => tell("failed");
});`;

function pageOf(count: number): string {
  const parts = Array.from({ length: count }, (_, i) => {
    if (i % 4 === 0) return `<script async src="/part/${i}.js"></script>`;
    return i % 4 === 1
      ? `<link rel="stylesheet" href="/part/${i}.css">`
      : `<img alt="" src="/part/${i}.svg">`;
  });
  return `<!doctype html><title>page</title><script>${SCRIPT}</script>${parts.join("\n")}`;
}

const TYPES: Readonly<Record<string, readonly [type: string, body: string]>> = {
  js: ["text/javascript", "globalThis.parts = (globalThis.parts ?? 0) + 1;"],
  css: ["text/css", "body { margin: 0 }"],
  svg: ["image/svg+xml", DOT],
};

/** @param count of the page's scripts, style sheets and pictures */
export async function startPageServer(count: number): Promise<PageServer> {
  const { promise, resolve } = Promise.withResolvers<PageReport>();
  const page = pageOf(count);
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [type, body] = TYPES[/\/part\/\d+\.(\w+)$/.exec(request.url ?? "")?.[1] ?? ""] ?? [
      "text/html",
      page,
    ];
    if (request.url === "/report") resolve(JSON.parse(await text(request)) as PageReport);
    response.setHeader("content-type", type);
    response.end(request.url === "/report" ? "" : body);
  };
  const server = createServer((request, response) => void answer(request, response));
  const sockets = new WebSocketServer({ server });
  let upgrades = 0;
  sockets.on("connection", (socket) => {
    upgrades++;
    socket.on("message", (message) => socket.send(String(message)));
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    report: promise,
    upgrades: () => upgrades,
    async [Symbol.asyncDispose](): Promise<void> {
      for (const socket of sockets.clients) socket.terminate();
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
