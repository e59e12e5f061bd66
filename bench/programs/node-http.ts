import { request as forward } from "node:http";
import { pipeline } from "node:stream";
import { agent, origin, serve } from "./serve.ts";

const { hostname, port } = new URL(origin);

/** The reverse proxy that one writes first: what the standard library costs, and no package. */
serve((request, response) => {
  const { method = "GET", url = "/", headers } = request;
  const upstream = forward({ hostname, port, path: url, method, headers, agent });
  upstream.on("response", (answer) => {
    // The client may have left meanwhile, and a pipeline to a closed stream throws.
    if (response.destroyed) {
      upstream.destroy();
    } else {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response, () => {});
    }
  });
  upstream.on("error", () => response.destroy());
  request.pipe(upstream);
});
