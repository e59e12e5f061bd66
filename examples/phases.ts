/**
 * All phases but those of a cache (own-caching.ts): every session tells at its end which of them it went through.
 *
 *     sluice run examples/phases.ts --bind 127.0.0.1:6188
 */
import { defineProxy, HttpPeer, httpProxy } from "sluice";

const origin = new HttpPeer(process.env.ORIGIN ?? "127.0.0.1:3000");
const nobody = new HttpPeer(process.env.NOBODY ?? "127.0.0.1:1");

const phases = defineProxy({
  newContext: () => ({ trace: ["newContext"] }),

  earlyRequestFilter({ context }) {
    context.trace.push("earlyRequestFilter");
  },

  requestFilter(session) {
    session.context.trace.push("requestFilter");
    if (session.request.path === "/teapot") session.respond({ status: 418, body: "short and stout\n" });
  },

  proxyUpstreamFilter({ request, context }) {
    context.trace.push("proxyUpstreamFilter");
    return request.path !== "/nowhere";
  },

  upstreamPeer({ request, context, tries }) {
    context.trace.push("upstreamPeer");
    return request.path === "/retried" && tries === 1 ? nobody : origin;
  },

  connectedToUpstream({ context }) {
    context.trace.push("connectedToUpstream");
  },

  failToConnect({ context }, _peer, error) {
    context.trace.push("failToConnect");
    error.retry = "yes";
  },

  upstreamRequestFilter({ context }, request) {
    context.trace.push("upstreamRequestFilter");
    // The body filter below makes another body of it.
    if (request.body !== "none") request.headers.delete("Content-Length");
  },

  requestBodyFilter({ context }, chunk, endOfStream) {
    context.trace.push(`requestBodyFilter(${endOfStream ? "end" : "chunk"})`);
    return chunk === null ? undefined : chunk.toString("latin1").toUpperCase();
  },

  upstreamResponseFilter({ context }) {
    context.trace.push("upstreamResponseFilter");
  },

  responseFilter({ context }) {
    context.trace.push("responseFilter");
  },

  upstreamResponseBodyFilter({ context }, _chunk, endOfStream) {
    context.trace.push(`upstreamResponseBodyFilter(${endOfStream ? "end" : "chunk"})`);
    return undefined;
  },

  // A delay slows the transfer down: no more is read from the server meanwhile.
  responseBodyFilter({ context }, _chunk, endOfStream) {
    context.trace.push(`responseBodyFilter(${endOfStream ? "end" : "chunk"})`);
    return endOfStream ? undefined : { delay: 10 };
  },

  upstreamResponseTrailerFilter({ context }) {
    context.trace.push("upstreamResponseTrailerFilter");
  },

  responseTrailerFilter({ context }, trailers) {
    context.trace.push("responseTrailerFilter");
    trailers.delete("x-second");
  },

  errorWhileProxy({ context }) {
    context.trace.push("errorWhileProxy");
  },

  failToProxy({ context }) {
    context.trace.push("failToProxy");
  },

  // A client that left is nothing to write home about.
  suppressErrorLog: (_session, error) => error.code === "DOWNSTREAM_CLOSED",

  requestSummary: ({ request, client }) => `${request.method} ${request.path} of ${client.address}`,

  logging({ context, request }, error) {
    const end = error === null ? "" : ` (${error.code})`;
    console.log(`${request.method} ${request.path}: ${[...context.trace, "logging"].join(" → ")}${end}`);
  },
});

export default httpProxy({ phases });
