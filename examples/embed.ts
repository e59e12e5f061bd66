/**
 * A proxy inside of one's own program, in its own thread.
 *
 *     node embed.ts
 *
 * In a checkout of Sluice: `node --conditions=sluice-source examples/embed.ts`.
 */
import { defineProxy, HttpClient, HttpPeer, httpService, serve } from "sluice";

// The server that is proxied to: also ours, to have one.
await using origin = await serve(
  httpService({
    handler: ({ request }) => ({ status: 200, body: `${request.headers.get("x-by")} says hello\n` }),
  }),
);

const phases = defineProxy({
  upstreamPeer: () => new HttpPeer(`127.0.0.1:${origin.port}`),
  upstreamRequestFilter(_session, request) {
    request.headers.set("X-By", "Sluice");
  },
});

// Port 0: the kernel chooses one.
await using proxy = await serve(phases, {
  bind: "127.0.0.1:0",
  onError: (error, about) => console.error(about, error),
});
console.log(`The proxy listens on ${proxy.addresses.join(" and ")}`);

using client = new HttpClient();
const response = await client.request(`127.0.0.1:${proxy.port}`, { target: "/greeting" });
console.log(response.status, await response.text());

const { requests, upstreamConnects } = proxy.counters;
console.log(`${requests} request, ${upstreamConnects} connection to the server`);
// At the end of the block the client is closed, then the proxy, then the origin: each lets what is under way finish.
