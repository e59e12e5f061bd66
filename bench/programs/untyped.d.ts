// What is used here of packages that bring no types of their own.

declare module "http-proxy" {
  import type { EventEmitter } from "node:events";
  import type { Agent, IncomingMessage, ServerResponse } from "node:http";

  interface Proxy extends EventEmitter {
    web(request: IncomingMessage, response: ServerResponse): void;
    on(
      event: "error",
      listener: (error: Error, request: IncomingMessage, response: ServerResponse) => void,
    ): this;
  }
  export function createProxyServer(options: { target: string; agent: Agent }): Proxy;
  const proxies: { createProxyServer: typeof createProxyServer };
  export default proxies;
}
