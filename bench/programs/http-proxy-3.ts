import { createProxyServer } from "http-proxy-3";
import { agent, origin, serve } from "./serve.ts";

const proxy = createProxyServer({ target: origin, agent });
proxy.on("error", (_error, _request, response) => response.destroy());

serve((request, response) => proxy.web(request, response));
