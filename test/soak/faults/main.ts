// Many connections whose toxics are changed at random all the while: node test/soak/faults/main.ts --seconds 60
//
// Every byte is compared, every answer of the API timed. Says how it goes on stderr and what came of it on stdout; exits
// with 1 when anything was not as it should be.

import { once } from "node:events";
import { type AddressInfo, createServer, type Server } from "node:net";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { freePort } from "../../kit/ports.ts";
import { rss, startSluice } from "../../kit/process.ts";
import { Random } from "../random.ts";
import type { ApiThreadReport, ApiThreadStart } from "./api-thread.ts";
import { EchoLane } from "./echo-lane.ts";

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "2000" },
    clients: { type: "string", default: "8" },
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
  },
});
const seed = Number(values.seed);
const seconds = Number(values.seconds);
/** Milliseconds within which the API has to answer. */
const PATIENCE = 100;
const MOST_PROBLEMS = 20;

async function startEcho(): Promise<Server> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1", 4096);
  await once(server, "listening");
  return server;
}

async function createProxy(api: number, upstream: number): Promise<number> {
  const body = JSON.stringify({ name: "echo", listen: "127.0.0.1:0", upstream: `127.0.0.1:${upstream}` });
  const response = await fetch(`http://127.0.0.1:${api}/proxies`, { method: "POST", body });
  const { listen } = (await response.json()) as { listen: string };
  return Number(listen.split(":").at(-1));
}

const problems: string[] = [];
const onWrong = (problem: string): void => {
  if (problems.length < MOST_PROBLEMS) problems.push(problem);
};

const echo = await startEcho();
const apiPort = await freePort();
const server = await startSluice(["toxiproxy", "-port", String(apiPort), "-seed", String(seed)]);
await server.line(/HTTP server/);
server.exited.then(({ code }) => onWrong(`the server ended with code ${code}`));
const port = await createProxy(apiPort, (echo.address() as AddressInfo).port);
const lanes = Array.from(
  { length: Number(values.connections) },
  (_, i) => new EchoLane(port, i, new Random(seed + i), onWrong),
);
const start: ApiThreadStart = {
  port: apiPort,
  proxy: "echo",
  clients: Number(values.clients),
  seconds,
  seed,
};
let highest = 0;
const watch = setInterval(async () => {
  const memory = await rss(server.pid);
  highest = Math.max(highest, memory);
  const received = lanes.reduce((sum, lane) => sum + lane.received, 0);
  process.stderr.write(
    `${(received / 2 ** 20).toFixed(0)} MiB compared, ${(memory / 2 ** 20).toFixed(0)} MiB in use, ` +
      `${problems.length} problems\n`,
  );
}, 5000);

const api = new Worker(new URL("api-thread.ts", import.meta.url), { workerData: start });
const [{ calls, slowest, failure }] = (await once(api, "message")) as [ApiThreadReport];
if (failure !== null) onWrong(failure);
await Promise.all(lanes.map((lane) => lane.finish()));
clearInterval(watch);
for (const lane of lanes) lane.destroy();

if (slowest > PATIENCE) onWrong(`an answer of the API took ${slowest.toFixed(0)} ms`);
const received = lanes.reduce((sum, lane) => sum + lane.received, 0);
process.stdout.write(
  `${lanes.length} connections for ${seconds} s, seed ${seed}: ${(received / 2 ** 20).toFixed(0)} MiB compared, ` +
    `${calls} changes, slowest answer ${slowest.toFixed(0)} ms, at most ${(highest / 2 ** 20).toFixed(0)} MiB\n` +
    problems.map((problem) => `PROBLEM: ${problem}\n`).join("") +
    (problems.length === 0 ? "good\n" : "not good\n"),
);
if (problems.length > 0)
  process.stderr.write(`the server said:\n${server.stdout.slice(-2000)}\n${server.stderr.slice(-4000)}\n`);
await server[Symbol.asyncDispose]();
process.exit(problems.length === 0 ? 0 : 1);
