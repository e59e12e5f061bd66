import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A small server of the demonstration. */
export interface DemoOrigin {
  readonly name: string;
  readonly address: string;
  close(): void;
}

/** Starts an origin that says who it is, on a port the kernel chooses. */
export async function startDemoOrigin(name: string): Promise<DemoOrigin> {
  const server: Server = createServer((request, response) => answer(name, request, response));
  const listening = Promise.withResolvers<void>();
  server.once("error", listening.reject);
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const { port } = server.address() as AddressInfo;
  return {
    name,
    address: `127.0.0.1:${port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function answer(name: string, request: IncomingMessage, response: ServerResponse): void {
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.setHeader("X-Origin", name);
  response.end(`Hello from origin ${name}.\n\n${request.method} ${request.url}\n${headerLines(request)}\n`);
}

function headerLines({ rawHeaders }: IncomingMessage): string {
  const lines: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
  return lines.join("\n");
}
