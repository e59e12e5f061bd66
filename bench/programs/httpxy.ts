import { createProxyServer } from "httpxy";
import { agent, origin, serve } from "./serve.ts";

const proxy = createProxyServer({ target: origin, agent });
proxy.on("error", (_error, _request, response) => response?.destroy());

serve((request, response) => void proxy.web(request, response));
