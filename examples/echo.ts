/**
 * A TCP application: a function over a connection.
 *
 *     sluice run examples/echo.ts --bind 127.0.0.1:6142
 *
 *     echo hello | nc -N 127.0.0.1 6142
 */
import { pipeline } from "node:stream/promises";
import { tcpService } from "sluice";

export default tcpService({
  name: "echo",
  // The connection is ended when the promise is kept: when the client has ended its side, and got everything back.
  handler: (socket) => pipeline(socket, socket),
  maxConnections: 1000,
  idleTimeout: 60_000,
});
