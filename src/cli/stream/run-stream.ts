import type { Logger } from "pino";
import { freshSeed } from "../../base/random.ts";
import { setEngineFlags } from "../../control/engine-flags.ts";
import { type Running, startRunning } from "../../control/running.ts";
import { nextSignal, runUntilSignal } from "../../control/signals.ts";
import { type ProxyInit, type ProxyState, SteeringError } from "../../control/steering.ts";
import { createErrorLog, type ErrorLogOptions } from "../../observe/error-log.ts";
import { instanceName, type RunSpec } from "../../worker/run-spec.ts";
import type { MountedApi } from "../admin-api.ts";
import { UsageError } from "../errors.ts";
import { keyLogFile, selfSignedFor, setFips } from "../tls/options.ts";
import { announceCertificate, type SelfSigned } from "../tls/self-signed.ts";
import { toJsonLine, toTextLine } from "./event-lines.ts";
import type { StreamFlags } from "./options.ts";
import { toTlsInit } from "./tls.ts";

/** What a stream proxy is started with. */
export interface StreamCommand {
  readonly protocol: "tcp" | "udp";
  readonly listen: string;
  readonly upstreams: readonly string[];
  readonly flags: StreamFlags;
}

/** Milliseconds that SIGTERM gives to connections: they may last for ever. */
const GRACE = 1_000;
const THREADS = 1;

/** Runs a TCP or UDP proxy until a signal or the user ends it: with the menu on a terminal, with lines elsewhere. */
export async function runStream(command: StreamCommand): Promise<void> {
  const { flags } = command;
  setFips(flags);
  await using selfSigned = await selfSignedFor(flags);
  const init = toProxyInit(command, selfSigned);
  if (selfSigned !== null) announceCertificate(selfSigned, flags.json === true);
  const showsMenu = canShowMenu(flags);
  const errorLog = errorLogOf(flags, showsMenu);
  const log = await createErrorLog(errorLog, "sluice");
  const seed = flags.seed ?? freshSeed();
  const spec = {
    ...{ snapshot: null, program: null, binds: [], accessLog: null },
    ...{ errorLog, instance: instanceName(), seed, toxics: flags.toxics ?? [] },
  };
  const running = await startRunning({ ...spec, ...toMeans(flags) }, flags.threads ?? THREADS, log);
  setEngineFlags();
  let api: MountedApi | null = null;
  // Before anything is listened on: whoever connects at once is told of too.
  const lines = showsMenu ? null : new EventLines(running, flags.json === true);
  try {
    const proxy = await createProxy(running, init);
    api = await mountApiIfAsked(running, flags, log);
    announce({ proxy, api, seed, flags });
    if (lines === null) await runMenu(running, proxy);
    else await runLines(running, lines, log);
  } finally {
    await api?.close();
    await running.stop();
  }
}

/** Keys come from one terminal and the screen is another, or the same; a screen that can only print is none. */
function canShowMenu({ menu, json, threads }: StreamFlags): boolean {
  const { stdin, stdout, env } = process;
  // In the main thread the proxy would wait whenever the screen is drawn.
  return menu && json !== true && threads !== 0 && stdin.isTTY && stdout.isTTY && env["TERM"] !== "dumb";
}

/** A log that went to the same terminal would be written across the screen. */
function errorLogOf({ logLevel = "info" }: StreamFlags, showsMenu: boolean): ErrorLogOptions {
  return { level: showsMenu && process.stderr.isTTY ? "silent" : logLevel, path: null };
}

/** What all of its TLS depends on. */
function toMeans(flags: StreamFlags): Pick<RunSpec, "fips" | "keyLog"> {
  const keyLog = keyLogFile(flags);
  return { ...(flags.fips === true ? { fips: true } : {}), ...(keyLog === null ? {} : { keyLog }) };
}

async function createProxy({ steering }: Running, init: ProxyInit): Promise<ProxyState> {
  try {
    return await steering.create(init);
  } catch (error) {
    const isUsage = error instanceof SteeringError && error.code !== "CANNOT_LISTEN";
    throw isUsage ? new UsageError(error.message) : error;
  }
}

function toProxyInit(
  { protocol, listen, upstreams, flags }: StreamCommand,
  selfSigned: SelfSigned | null,
): ProxyInit {
  const { mode, toxic, connectTimeout, idleTimeout, maxConnections, sendProxyProtocol } = flags;
  return {
    ...{ name: protocol, protocol, listen, upstreams },
    ...(mode === undefined ? {} : { mode }),
    ...(toxic === undefined ? {} : { toxics: toxic }),
    ...(connectTimeout === undefined ? {} : { connectTimeout }),
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(sendProxyProtocol === undefined ? {} : { sendProxyProtocol: sendProxyProtocol === "v1" ? 1 : 2 }),
    acceptProxyProtocol: flags.acceptProxyProtocol === true,
    ...toTlsInit(flags, upstreams, selfSigned),
  };
}

async function mountApiIfAsked(
  running: Running,
  { api, apiToken }: StreamFlags,
  log: Logger,
): Promise<MountedApi | null> {
  if (api === undefined) return null;
  const { mountApi } = await import("../admin-api.ts");
  return await mountApi({
    ...{ running, address: api, token: apiToken ?? null },
    onError: (error) => log.error({ cause: String(error) }, "The API failed"),
  });
}

interface Started {
  readonly proxy: ProxyState;
  readonly api: MountedApi | null;
  readonly seed: string;
  readonly flags: StreamFlags;
}

function announce({ proxy, api, seed, flags }: Started): void {
  const threads = flags.threads ?? THREADS;
  if (flags.json === true) {
    const listening = { event: "listening", addresses: [proxy.listen], threads, pid: process.pid, seed };
    print(JSON.stringify({ ...listening, ...(api === null ? {} : { api: api.address }) }));
    return;
  }
  const where =
    threads === 0 ? "in the main thread" : `in ${threads} ${threads === 1 ? "thread" : "threads"}`;
  print(`Listening on ${proxy.listen} ${where}`);
  if (api !== null) print(`Admin API on http://${api.address}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The interface is loaded when it is wanted: it takes longer to load than everything else. */
async function runMenu(running: Running, { name }: ProxyState): Promise<void> {
  const { openInterface } = await import("../../tui/interface.ts");
  const { stdin, stdout } = process;
  const isColoured = !process.env["NO_COLOR"] && stdout.hasColors();
  const shown = openInterface({ steering: running.steering, proxy: name, stdin, stdout, isColoured });
  try {
    await Promise.race([shown.closed, nextSignal()]);
  } finally {
    shown.close();
  }
}

/** Prints what happens, once it was said where is listened. */
class EventLines {
  readonly #stop: () => void;
  /** What happened before; null from then on. */
  #early: string[] | null = [];

  constructor({ steering }: Running, isJson: boolean) {
    const toLine = isJson ? toJsonLine : toTextLine;
    this.#stop = steering.onEvent((event) => {
      if (this.#early === null) print(toLine(event));
      else this.#early.push(toLine(event));
    });
  }

  begin(): void {
    for (const line of this.#early ?? []) print(line);
    this.#early = null;
  }

  stop(): void {
    this.#stop();
  }
}

async function runLines(running: Running, lines: EventLines, log: Logger): Promise<void> {
  lines.begin();
  // Whoever reads the events may have had enough of them; the proxy goes on.
  process.stdout.on("error", () => lines.stop());
  await runUntilSignal(running, { grace: GRACE }, log);
  lines.stop();
}
