/**
 * Header fields: set, added, replaced and removed, on the way to the server and on the way back.
 *
 *     sluice run examples/headers.ts --bind 127.0.0.1:6188
 */
import { randomUUID } from "node:crypto";
import { defineProxy, HttpPeer } from "sluice";

const origin = new HttpPeer(process.env.ORIGIN ?? "127.0.0.1:3000");

export default defineProxy({
  // Changes to the request itself: later phases and the log see them too.
  requestFilter({ request }) {
    if (!request.headers.has("x-request-id")) request.headers.set("X-Request-Id", randomUUID());
  },

  upstreamPeer: () => origin,

  // Changes to what the server gets: `session.request` stays what it was.
  upstreamRequestFilter(session, request) {
    request.headers.set("X-Real-IP", session.client.address);
    request.headers.delete("Cookie");
    request.path = `/v2${request.path}`;
  },

  // Changes to what the client gets.
  responseFilter({ request }, response) {
    response.headers.set("X-Request-Id", request.headers.get("x-request-id") ?? "");
    response.headers.append("Set-Cookie", "seen=1; Path=/");
    response.headers.delete("X-Powered-By");
    const cookies = response.headers.getAll("set-cookie");
    response.headers.set("X-Cookies", String(cookies.length));
  },
});
