import { until } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { type RunningProgram, startSluice } from "../kit/process.ts";
import { type Finished, runInside } from "./inside.ts";
import { get, type RunningSluice, startListening } from "./sluice.ts";
import { ask } from "./toxiproxy.ts";

const TOKEN = "secret";

/** A server as the admin API tells it. */
export interface ServerView {
  readonly address: string;
  readonly state: string;
  readonly reason: string;
  readonly weight: number;
  readonly requests: number;
  readonly counts: Readonly<Record<string, number>>;
}

/** `sluice run` with an upstream `api` and an admin API, and the commands that steer it. */
export class Balancer implements AsyncDisposable {
  readonly sluice: RunningSluice;
  readonly #api: string;
  readonly #directory: AsyncDisposable;

  /** Use {@link startBalancer}. */
  constructor(sluice: RunningSluice, api: string, directory: AsyncDisposable) {
    this.sluice = sluice;
    this.#api = api;
    this.#directory = directory;
  }

  get program(): RunningProgram {
    return this.sluice.program;
  }

  /** How many of so many requests, each on a connection of its own, each origin answered. A failure is its status. */
  async shares(requests: number, path = "/"): Promise<Record<string, number>> {
    const shares: Record<string, number> = {};
    for (let i = 0; i < requests; i++) {
      const response = await get(this.sluice.port, path);
      const name = response.header("x-origin") ?? String(response.status);
      shares[name] = (shares[name] ?? 0) + 1;
    }
    return shares;
  }

  /** `sluice …` in this process, with its address and token in the environment. */
  run(...args: readonly string[]): Promise<Finished> {
    return runInside(args, this.#env);
  }

  /** The same in a process of its own, left running. */
  start(...args: readonly string[]): Promise<RunningProgram> {
    return startSluice(args, { env: this.#env });
  }

  get #env(): Readonly<Record<string, string>> {
    return { TOXIPROXY_URL: this.#api, SLUICE_TOKEN: TOKEN };
  }

  /** Asks the admin API; a status of 400 and more is an error with what it said. */
  ask(method: string, path: string, body?: unknown): Promise<unknown> {
    return ask(this.#api, method, path, body, { Authorization: `Bearer ${TOKEN}` });
  }

  /** The servers of `api`. */
  async servers(): Promise<readonly ServerView[]> {
    return ((await this.ask("GET", "/upstreams/api")) as { servers: ServerView[] }).servers;
  }

  /** Waits until a server is taken for this. */
  async when(address: string, state: string): Promise<void> {
    await until(`${address} is ${state}`, async () => {
      const servers = await this.servers();
      return servers.some((server) => server.address === address && server.state === state);
    });
  }

  /** What is told on standard error at these words, each as it stands in the log. */
  logged(message: string): Record<string, unknown>[] {
    return this.program.stderr
      .split("\n")
      .filter((line) => line.includes(JSON.stringify(message)))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sluice[Symbol.asyncDispose]();
    await this.#directory[Symbol.asyncDispose]();
  }
}

export interface BalancerOptions {
  readonly threads: number;
  /** None: they are found as `upstream` says. */
  readonly servers: readonly string[];
  /** Default: any port of the loopback. */
  readonly bind?: string;
  /** More lines of the upstream, in YAML: `health_check: /`. */
  readonly upstream?: readonly string[];
  /** More lines of the listener's only route. */
  readonly route?: readonly string[];
  /** More lines of the listener: its TLS. */
  readonly listener?: readonly string[];
}

export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const { threads, servers, bind = "127.0.0.1:0", upstream = [], route = [], listener = [] } = options;
  const directory = await createTemporaryDirectory();
  const indented = (lines: readonly string[], by: number): string =>
    lines.map((line) => `${" ".repeat(by)}${line}\n`).join("");
  const text = `threads: ${threads}
admin: { bind: "127.0.0.1:0", token: ${TOKEN} }
listeners:
  - bind: "${bind}"
${indented(listener, 4)}    routes:
      - upstream: api
${indented(route, 8)}upstreams:
  api:
${indented([...(servers.length === 0 ? [] : [`servers: ${JSON.stringify(servers)}`]), ...upstream], 4)}`;
  try {
    const sluice = await startListening(["run", await directory.write("sluice.yaml", text)]);
    const [, api = ""] = await sluice.program.line(/^Admin API on (\S+)$/);
    return new Balancer(sluice, api, directory);
  } catch (error) {
    await directory[Symbol.asyncDispose]();
    throw error;
  }
}
