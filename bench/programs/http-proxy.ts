import proxies from "http-proxy";
import { agent, origin, serve } from "./serve.ts";

const proxy = proxies.createProxyServer({ target: origin, agent });
proxy.on("error", (_error, _request, response) => response.destroy());

serve((request, response) => proxy.web(request, response));
