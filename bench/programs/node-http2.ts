import { readFileSync } from "node:fs";
import { request as forward, type IncomingHttpHeaders } from "node:http";
import {
  createSecureServer,
  createServer,
  type Http2ServerRequest,
  type Http2ServerResponse,
} from "node:http2";
import { pipeline } from "node:stream";
import { agent, listen, origin } from "./serve.ts";

const { hostname, port } = new URL(origin);
const [protocol, certFile = "", keyFile = ""] = process.argv.slice(4);

/** The fields that concern one connection of HTTP/1, which HTTP/2 doesn't allow. */
const ofConnections = ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

function without(headers: IncomingHttpHeaders, isUnwanted: (name: string) => boolean): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isUnwanted(name)));
}

/** The reverse proxy that one writes first with node:http2: for HTTP/1 too where there is TLS. */
function serve(request: Http2ServerRequest, response: Http2ServerResponse): void {
  const { method, url, authority } = request;
  const headers = without(request.headers, (name) => name.startsWith(":"));
  if (authority) headers.host = authority;
  const upstream = forward({ hostname, port, path: url, method, headers, agent });
  upstream.on("response", (answer) => {
    // The client may have left meanwhile, and a pipeline to a closed stream throws.
    if (response.stream?.destroyed || response.destroyed) {
      upstream.destroy();
    } else {
      response.writeHead(
        answer.statusCode ?? 502,
        without(answer.headers, (name) => ofConnections.includes(name)),
      );
      pipeline(answer, response, () => {});
    }
  });
  upstream.on("error", () => response.destroy());
  request.pipe(upstream);
}

listen(
  protocol === "h2c"
    ? createServer(serve)
    : createSecureServer(
        { allowHTTP1: true, cert: readFileSync(certFile), key: readFileSync(keyFile) },
        serve,
      ),
);
