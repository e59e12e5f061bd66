/** Measures how exact faults are, next to the original Toxiproxy where it is installed: `npm run bench:faults`. */
import type { AddressInfo, Server } from "node:net";
import { parseArgs } from "node:util";
import { planPinning } from "../measure/pinning.ts";
import { freePort, launch } from "../processes.ts";
import { textTable } from "../report/table.ts";
import { Api } from "./api.ts";
import { bandwidth, type Figure, jitter, latency, type Measure, startEcho, startSource } from "./measures.ts";
import { type FaultServer, faultServers } from "./servers.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "20" },
    seconds: { type: "string", default: "10" },
    servers: { type: "string", default: "sluice,toxiproxy" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) {
  process.stdout.write(`Usage: npm run bench:faults -- [--rounds 20] [--seconds 10] [--servers sluice,toxiproxy]

Measures how exact latency, jitter and bandwidth are through Toxiproxy's API.
The original is measured besides when toxiproxy-server is in the PATH or in bench/.cache.
`);
  process.exit();
}

const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const wanted = values.servers.split(",");
const echo = await startEcho();
const source = await startSource();
const measures: readonly [Measure, Server][] = [
  [latency(rounds), echo],
  [jitter(rounds), echo],
  [bandwidth(100, seconds), source],
  [bandwidth(10_000, seconds), source],
];

for (const [measure, origin] of measures) {
  const rows: string[][] = [];
  for (const server of faultServers().filter(({ name }) => wanted.includes(name))) {
    const figures = await run(server, measure, (origin.address() as AddressInfo).port);
    if (rows.length === 0) rows.push(["server", ...figures.map(({ name }) => name)]);
    rows.push([server.name, ...figures.map(({ value }) => value)]);
  }
  process.stdout.write(`${measure.title}\n\n${textTable(rows)}\n\n`);
}
echo.close();
source.close();
process.exit();

async function run(server: FaultServer, measure: Measure, originPort: number): Promise<Figure[]> {
  const port = await freePort();
  const child = launch(server.command(port), { cpus: planPinning(1).proxy });
  try {
    const api = new Api(port);
    await api.ready();
    return await measure.run(api, originPort);
  } catch (error) {
    throw new Error(`${server.name}: ${(error as Error).message}; ${child.complaint()}`, { cause: error });
  } finally {
    await child.stop();
  }
}
