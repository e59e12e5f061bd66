import { type ClientHttp2Session, connect } from "node:http2";
import type { Socket } from "node:net";
import type { EndProbe } from "./probe-run.ts";

/**
 * Speaks HTTP/2 over a connection that is made. Made it has to be: a socket that is destroyed while a session waits for it
 * ends the whole process (Node 26.10, an assertion). The URL is of no consequence, requests name the server themselves.
 */
export function startHttp2(socket: Socket, end: EndProbe): ClientHttp2Session {
  const session = connect("http://localhost", {
    createConnection: () => socket,
    settings: { enablePush: false },
  });
  return session.on("error", end);
}
