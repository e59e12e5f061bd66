/**
 * A gateway: routes by path, turns away who may not come in, and signs what it lets out.
 *
 *     sluice run examples/gateway.ts --bind 127.0.0.1:6188
 *
 *     curl -i http://127.0.0.1:6188/login                                  403
 *     curl -i http://127.0.0.1:6188/login -H "Authorization: password"     the other server
 *     curl -i http://127.0.0.1:6188/family/photos                          the family's server
 */
import { defineProxy, HttpPeer } from "sluice";

const family = new HttpPeer(process.env.FAMILY ?? "127.0.0.1:3000");
const others = new HttpPeer(process.env.OTHERS ?? "127.0.0.1:3001");

export default defineProxy({
  requestFilter(session) {
    const { path, headers } = session.request;
    if (path.startsWith("/login") && headers.get("authorization") !== "password") {
      session.respond({ status: 403, body: "no way!\n" });
    }
  },

  upstreamPeer: ({ request }) => (request.path.startsWith("/family/") ? family : others),

  responseFilter(_session, response) {
    response.headers.set("Server", "MyGateway");
    // It would show clients a way around us.
    response.headers.delete("Alt-Svc");
  },
});
