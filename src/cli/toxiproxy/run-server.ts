import { readFile } from "node:fs/promises";
import type { Logger } from "pino";
import { AdminServer } from "../../admin/http/admin-server.ts";
import { answerMetrics } from "../../admin/toxiproxy/metrics.ts";
import { ToxiproxyApi } from "../../admin/toxiproxy/toxiproxy-api.ts";
import { freshSeed } from "../../base/random.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { setEngineFlags } from "../../control/engine-flags.ts";
import { type Running, startRunning } from "../../control/running.ts";
import { nextSignal } from "../../control/signals.ts";
import { instanceName } from "../../worker/run-spec.ts";
import { version } from "../version.ts";
import { logEvents } from "./event-log.ts";
import { createServerLog } from "./server-log.ts";

/** What `sluice toxiproxy` can be told. */
export interface ToxiproxyFlags {
  readonly host: string;
  readonly port: number;
  readonly config?: string;
  readonly seed?: string;
  readonly toxics?: readonly string[];
  readonly runtimeMetrics?: true;
  readonly proxyMetrics?: true;
  readonly threads: number;
  readonly token?: string;
  readonly allowHost?: readonly string[];
}

/** The version of Toxiproxy whose API is spoken, for clients that ask what a server can do; ours stands behind it. */
export function toxiproxyVersion(): string {
  return `2.12.0+sluice-${version()}`;
}

/** Runs the Toxiproxy server until a signal ends it. */
export async function runToxiproxy(flags: ToxiproxyFlags): Promise<void> {
  const log = createServerLog(process.env["LOG_LEVEL"]);
  const seed = flags.seed ?? freshSeed();
  log.info({ version: toxiproxyVersion(), seed }, "Starting Toxiproxy");
  const spec = {
    ...{ snapshot: null, program: null, binds: [], accessLog: null },
    ...{ errorLog: { level: "warn", path: null } as const, instance: instanceName(), seed },
    toxics: flags.toxics ?? [],
  };
  const running = await startRunning(spec, flags.threads, log);
  setEngineFlags();
  try {
    await serve(running, flags, log);
  } finally {
    await running.stop();
  }
}

async function serve(running: Running, flags: ToxiproxyFlags, log: Logger): Promise<void> {
  const api = createApi(running, flags);
  const stopEvents = logEvents(running.steering, log);
  if (flags.config !== undefined) await populate(api, flags.config, log);
  const server = createServer(api, flags, log);
  log.info({ address: await server.listen() }, "Starting Toxiproxy HTTP server");
  await nextSignal();
  log.info("Shutdown started");
  // Whoever doesn't want to wait for requests under way says so again.
  await Promise.race([server.close(), nextSignal().then(() => server.close(0))]);
  stopEvents();
}

function createApi(
  { steering, traffic }: Running,
  { proxyMetrics, runtimeMetrics }: ToxiproxyFlags,
): ToxiproxyApi {
  const isMeasured = proxyMetrics === true || runtimeMetrics === true;
  const options = { proxies: proxyMetrics === true ? traffic : null, runtime: runtimeMetrics === true };
  return new ToxiproxyApi({
    steering,
    registry: createRegistry(),
    version: toxiproxyVersion(),
    metrics: isMeasured ? () => answerMetrics(options) : null,
  });
}

function createServer(api: ToxiproxyApi, flags: ToxiproxyFlags, log: Logger): AdminServer {
  return new AdminServer({
    host: flags.host,
    port: flags.port,
    token: flags.token ?? null,
    allowedHosts: flags.allowHost ?? [],
    handlers: [(request) => api.handle(request)],
    onServed: ({ userAgent, ...request }) => log.debug({ ...request, user_agent: userAgent }),
    onError: (error) => log.error({ error }, "The API failed"),
  });
}

/** A configuration that can't be read, or not all of it, is no reason not to serve. */
async function populate(api: ToxiproxyApi, path: string, log: Logger): Promise<void> {
  let content: Buffer;
  try {
    content = await readFile(path);
  } catch (error) {
    log.error({ error: (error as Error).message, config: path }, "Error reading config file");
    return;
  }
  const { proxies, fault } = await api.populate(content);
  for (const { name, listen, upstream } of proxies) log.info({ name, listen, upstream }, "Started proxy");
  if (fault === null) log.info({ proxies: proxies.length }, "Populated proxies from file");
  else log.error({ error: fault.message }, "Failed to populate proxies from file");
}
