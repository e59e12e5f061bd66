/** What a program of two synchronous filters costs: one reads a field and sets one upstream, one sets one downstream. */
import { defineProxy, HttpPeer, type ProxyPhases } from "sluice";

const origin = new HttpPeer(process.env["BENCH_ORIGIN"] ?? "127.0.0.1:8080");

const proxy: ProxyPhases = defineProxy({
  upstreamPeer: () => origin,

  upstreamRequestFilter(session, request) {
    const language = session.request.headers.get("accept-language");
    request.headers.set("X-Language", language ?? "none");
  },

  responseFilter(_session, response) {
    response.headers.set("X-Proxied-By", "sluice");
  },
});

export default proxy;
