import { createServer, type Server } from "node:http";
import type { TemporaryDirectory } from "../../kit/files.ts";
import { compilePlugin, oddPlugin } from "../../kit/plugins.ts";
import { freePort, listen } from "../../kit/ports.ts";

/** Milliseconds until the server answers, so that there is always something under way. */
const DELAY = 20;

/** What the process needs to be started, and the server behind it. */
export interface Stage {
  readonly args: readonly string[];
  /** Of the listener with nothing on it, and of the one whose bytes go through a plugin. */
  readonly ports: { readonly web: number; readonly plugged: number };
  readonly origin: Server;
}

export async function openStage(folder: TemporaryDirectory, threads: number): Promise<Stage> {
  const origin = createServer((request, response) => {
    request.resume();
    setTimeout(() => response.end("It is well.\n"), DELAY);
  });
  const server = await listen(origin);
  const ports = { web: await freePort(), plugged: await freePort() };
  await compilePlugin(oddPlugin, folder.join("odd.so"));
  const configuration = {
    ...{ log_level: "warn", error_log: "error.log" },
    plugins: { deadly: { path: "odd.so", isolate: "process", config: { mode: "deadly" } } },
    listeners: [
      { name: "web", bind: `127.0.0.1:${ports.web}` },
      { name: "plugged", bind: `127.0.0.1:${ports.plugged}`, plugins: ["deadly"] },
    ],
  };
  await folder.write("sluice.yaml", JSON.stringify(configuration));
  const program = await folder.write("gateway.ts", gateway(server));
  return { args: ["run", program, "-c", "sluice.yaml", "--threads", String(threads)], ports, origin };
}

/** A program that does what paths ask for, and says which thread it runs in. */
function gateway(server: number): string {
  return `
import { threadId } from "node:worker_threads";
import { defineProxy, HttpPeer } from "sluice";

const peer = new HttpPeer("127.0.0.1:${server}");
const hoard = [];

export default defineProxy({
  upstreamPeer: () => peer,
  async requestFilter({ request: { path } }) {
    if (path === "/throw") throw new Error("as it was told");
    if (path === "/memory") for (;;) hoard.push(new Array(10_000).fill(Math.random()));
    if (path === "/crash") {
      setImmediate(() => { throw new Error("as it was told"); });
      await new Promise(() => undefined);
    }
  },
  responseFilter({ request: { path } }, response) {
    if (path === "/throw-late") throw new Error("as it was told");
    response.headers.set("x-thread", String(threadId));
  },
});
`;
}
