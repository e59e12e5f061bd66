import { readdir } from "node:fs/promises";
import { createAuthority } from "../kit/certificates.ts";
import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../kit/files.ts";
import { type RunningProgram, rss, startSluice } from "../kit/process.ts";
import { Child } from "./child.ts";
import type { Counts } from "./ledger.ts";
import { judgeMemory, type MemoryReport, reportMemory, type Sample } from "./memory.ts";
import type { ClientTask, FromChild, OriginCounts, OriginTask } from "./messages.ts";
import type { Identity } from "./wires.ts";

export interface SoakOptions {
  readonly requests: number;
  readonly threads: number;
  readonly connections: number;
  readonly seed: number;
  /** A program to run instead of the plain proxy; finds its servers in SOAK_UPSTREAMS. */
  readonly program?: string | undefined;
  /** Clients and the proxy, the proxy and its servers speak TLS. Not with `program`. */
  readonly tls?: boolean;
  /** Clients speak HTTP/2, on connections that they share. */
  readonly http2Clients?: boolean;
  /** Servers speak HTTP/2. Not with `program`. */
  readonly http2Servers?: boolean;
  /** Gets a line every few seconds, and every violation as it comes. */
  readonly onLine: (line: string) => void;
}

export interface SoakReport {
  readonly client: Counts;
  readonly origin: OriginCounts;
  readonly seconds: number;
  readonly memory: MemoryReport;
  readonly files: { readonly before: number; readonly after: number };
  /** What should not have happened, in words; none: the run is good. */
  readonly problems: readonly string[];
}

/** A crash of the proxy's, or what would have been one. */
const badNews = /^.*(?:crashed|[Uu]ncaught).*$/gm;
const sampleEvery = 1000;
const lineEvery = 5000;
/** Uploads that met an idle connection just being closed: more than a few would be a fault of the pool. */
const mostRaced = 0.01;
/** Milliseconds a process gets to end after SIGTERM; nothing is under way then. */
const grace = 10_000;

/** One run: an origin, the proxy before it, a client before that; each a process of its own. */
export class Soak {
  readonly #options: SoakOptions;
  readonly #problems: string[] = [];
  readonly #samples: Sample[] = [];
  readonly #ports = Promise.withResolvers<readonly number[]>();
  #originTold = Promise.withResolvers<void>();
  readonly #done = Promise.withResolvers<void>();
  readonly #started = performance.now();
  #client: Counts | null = null;
  #origin: OriginCounts | null = null;
  #openConnections = 0;
  #longestWait = 0;
  #proxy!: RunningProgram;

  constructor(options: SoakOptions) {
    this.#options = options;
  }

  async run(): Promise<SoakReport> {
    const {
      seed,
      connections,
      requests,
      tls: speaksTls,
      http2Clients = false,
      http2Servers = false,
    } = this.#options;
    await using folder = await createTemporaryDirectory();
    const tls = speaksTls === true ? await createIdentity(folder) : null;
    const order: OriginTask = { ports: 2, seed, http2: http2Servers, tls };
    await using origin = new Child("origin.ts", order, this.#hear);
    const ports = await this.#ports.promise;
    await using proxy = await startProxy(ports, this.#options, folder);
    this.#proxy = proxy;
    const [, port] = await proxy.line(/^Listening on [\d.]+:(\d+)/);
    const before = await openFiles(proxy.pid);
    const task: ClientTask = { port: Number(port), requests, connections, seed, http2: http2Clients, tls };
    await using client = new Child("client.ts", task, this.#hear);
    const seconds = await this.#watch(client);
    await client.end();
    await this.#countsOf(origin);
    await origin.end();
    const after = await this.#filesAtRest(before);
    await this.#drain();
    return this.#report(seconds, { before, after });
  }

  readonly #hear = (message: FromChild): void => {
    switch (message.type) {
      case "listening":
        this.#ports.resolve(message.ports);
        return;
      case "origin":
        this.#origin = message.counts;
        this.#originTold.resolve();
        return;
      case "client":
        this.#client = message.counts;
        this.#openConnections = message.open;
        this.#longestWait = message.longestWait;
        return;
      case "violation":
        this.#options.onLine(`VIOLATION ${message.text}`);
        return;
      case "done":
        this.#done.resolve();
    }
  };

  /** Samples and tells until the client is done; returns how many seconds that took. */
  async #watch(client: Child): Promise<number> {
    const start = performance.now();
    const sampling = setInterval(() => void this.#sample(), sampleEvery);
    const telling = setInterval(() => this.#tell(), lineEvery);
    let isOver = false;
    const died = async (whose: string, ended: Promise<unknown>): Promise<void> => {
      await ended;
      if (!isOver) this.#problems.push(`the ${whose} ended before the run was over`);
    };
    try {
      await Promise.race([
        this.#done.promise,
        died("client", client.ended),
        died("proxy", this.#proxy.exited),
      ]);
    } finally {
      isOver = true;
      clearInterval(sampling);
      clearInterval(telling);
    }
    this.#tell();
    return (performance.now() - start) / 1000;
  }

  async #sample(): Promise<void> {
    this.#readLog();
    const memory = await rss(this.#proxy.pid).catch(() => 0);
    if (memory > 0) this.#samples.push({ requests: this.#settled, rss: memory });
  }

  /** The log is looked through as it comes, and then forgotten. */
  #readLog(): void {
    const proxy = this.#proxy;
    for (const [line] of proxy.stderr.matchAll(badNews)) {
      this.#problems.push(`the proxy said: ${line}`);
      this.#options.onLine(`VIOLATION ${proxy.stderr}`);
    }
    proxy.clear();
  }

  get #settled(): number {
    return this.#client === null ? 0 : sum(Object.values(this.#client.outcomes));
  }

  #tell(): void {
    const { outcomes, violations = 0 } = this.#client ?? {};
    const seconds = (performance.now() - this.#started) / 1000;
    const memory = (this.#samples.at(-1)?.rss ?? 0) / 1_048_576;
    const ends = Object.entries(outcomes ?? {}).map(([outcome, count]) => `${outcome} ${count}`);
    const wait = `longest wait ${(this.#longestWait / 1000).toFixed(1)} s`;
    this.#options.onLine(
      `${seconds.toFixed(0)} s: ${this.#settled} requests, ${Math.round(this.#settled / seconds)}/s, ` +
        `proxy ${memory.toFixed(0)} MiB, ${this.#openConnections} connections, ${wait}, ` +
        `${ends.join(", ")}, violations ${violations + (this.#origin?.violations ?? 0)}`,
    );
  }

  /** The origin tells its counts now and then only. */
  async #countsOf(origin: Child): Promise<void> {
    this.#originTold = Promise.withResolvers();
    await Promise.race([this.#originTold.promise, origin.ended]);
  }

  /** With client and origin gone, nothing but the listeners may be left. */
  async #filesAtRest(before: number): Promise<number> {
    const { pid } = this.#proxy;
    const isAtRest = async (): Promise<boolean> => (await openFiles(pid)) <= before;
    await until("the proxy has closed its connections", isAtRest, { every: 100 }).catch(() => {});
    return openFiles(pid);
  }

  async #drain(): Promise<void> {
    this.#readLog();
    this.#proxy.signal("SIGTERM");
    try {
      const { code, signal } = await this.#proxy.exit(grace);
      if (code !== 0) this.#problems.push(`the proxy ended with ${signal ?? `code ${code}`} after SIGTERM`);
    } catch {
      this.#problems.push(`the proxy did not end within ${grace / 1000} s of SIGTERM`);
    }
    this.#readLog();
  }

  #report(seconds: number, files: SoakReport["files"]): SoakReport {
    const { requests } = this.#options;
    const client = this.#client!;
    const origin = this.#origin!;
    const memory = reportMemory(this.#samples, requests);
    const problems = [...this.#problems, judgeMemory(memory, requests)].filter((problem) => problem !== null);
    if (client.violations > 0) problems.push(`${client.violations} answers or connections were wrong`);
    if (origin.violations > 0) problems.push(`${origin.violations} requests reached the origin wrong`);
    if (this.#settled !== requests) problems.push(`${requests - this.#settled} requests were never settled`);
    if (files.after > files.before) problems.push(`${files.after - files.before} descriptors were left open`);
    if (client.outcomes.raced > Math.max(10, requests * 0.12 * mostRaced)) {
      problems.push(`${client.outcomes.raced} uploads met a closed connection`);
    }
    return { client, origin, seconds, memory, files, problems };
  }
}

/** Writes what the proxy needs of it into files. */
async function createIdentity(folder: TemporaryDirectory): Promise<Identity> {
  const authority = await createAuthority();
  const { cert, key } = await authority.issue();
  await folder.write("cert.pem", cert);
  await folder.write("key.pem", key);
  await folder.write("ca.pem", authority.cert);
  return { cert, key, ca: authority.cert };
}

/** How the proxy is told what is spoken on either side. */
function protocolFlags({ tls, http2Servers }: SoakOptions, folder: TemporaryDirectory): string[] {
  if (tls !== true) return http2Servers === true ? ["--protocol", "h2c"] : [];
  const files = [
    "--cert",
    folder.join("cert.pem"),
    "--key",
    folder.join("key.pem"),
    "--ca",
    folder.join("ca.pem"),
  ];
  return [...files, "--tls", "--sni", "localhost", "--protocol", http2Servers === true ? "h2" : "http1"];
}

function startProxy(
  ports: readonly number[],
  options: SoakOptions,
  folder: TemporaryDirectory,
): Promise<RunningProgram> {
  const { threads, program } = options;
  const servers = ports.map((port) => `127.0.0.1:${port}`);
  const settings = ["--bind", "127.0.0.1:0", "--threads", String(threads), "--log-level", "error"];
  if (program === undefined) {
    const upstreams = servers.flatMap((server) => ["--upstream", server]);
    // Servers that break their connections all the time are ill; and a probe is no order.
    const unwatched = ["--active-health-check-interval", "0"];
    return startSluice(["http", ...upstreams, ...unwatched, ...protocolFlags(options, folder), ...settings]);
  }
  return startSluice(["run", program, ...settings], { env: { SOAK_UPSTREAMS: servers.join() } });
}

async function openFiles(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
