/**
 * Several services in one server: two proxies with limits of their own, and pages that we answer ourselves.
 *
 *     sluice run examples/several-services.ts
 *
 * A server of several services names its addresses itself, so there is no `--bind`.
 */
import { defineProxy, defineServer, HttpPeer, httpProxy, httpService } from "sluice";

const shop = new HttpPeer(process.env.SHOP ?? "127.0.0.1:3000");
const api = new HttpPeer(process.env.API ?? "127.0.0.1:3001");

const publicProxy = httpProxy({
  name: "public",
  listen: [process.env.PUBLIC ?? "127.0.0.1:6188"],
  phases: defineProxy({ upstreamPeer: () => shop }),
  maxConnections: 10_000,
});

const internalProxy = httpProxy({
  name: "internal",
  listen: [process.env.INTERNAL ?? "127.0.0.1:6189"],
  phases: defineProxy({ upstreamPeer: () => api }),
  requestTimeout: 5_000,
  forwarding: { mode: "append", xForwarded: true },
  settings: { bodyBytes: 1024 * 1024 },
});

const status = httpService({
  name: "status",
  listen: [process.env.STATUS ?? "127.0.0.1:6190"],
  handler: ({ request }) => (request.path === "/health" ? { status: 200, body: "good\n" } : undefined),
});

export default defineServer({ services: [publicProxy, internalProxy, status] });
