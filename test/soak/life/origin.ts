// The server behind the proxy, as a process of its own: answers requests, and sends back what comes over WebSockets.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { listen } from "../../kit/ports.ts";
import type { FromOrigin, ToOrigin } from "./messages.ts";

const LONGEST_IDLE = 3_600_000;

const server = createServer((request, response) => {
  request.resume();
  response.end("It is well.\n");
});
server.keepAliveTimeout = LONGEST_IDLE;
server.requestTimeout = 0;
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (socket) => {
  socket.on("error", () => undefined);
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
process.on("message", (order: ToOrigin) => {
  if (order === "close idle connections") server.closeIdleConnections();
});
process.on("disconnect", () => process.exit());
process.send!({ port: await listen(server) } satisfies FromOrigin);
