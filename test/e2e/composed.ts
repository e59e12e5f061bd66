import { pino } from "pino";
import { parseConfig } from "../../src/config/load.ts";
import type { RunReport } from "../../src/control/reload/report.ts";
import { type Running, startRunning } from "../../src/control/running.ts";
import type { GroupStatus, ServerStatus } from "../../src/upstream/group-status.ts";
import type { RunSpec } from "../../src/worker/run-spec.ts";
import { until } from "../kit/deadline.ts";
import { connectRaw, type RawClient } from "../kit/raw-client.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { get } from "./sluice.ts";

export interface ComposedOptions {
  /** Default 0: all in the thread of the test. */
  readonly threads?: number;
  readonly seed?: string;
}

/** The shares of requests by the origins' names; what wasn't answered by one of them by its status. */
export type Shares = Record<string, number>;

/**
 * A configuration that runs in this process. Its disposal is a test of its own: nothing is under way any more, in no
 * group.
 */
export class Composed implements AsyncDisposable {
  readonly running: Running;
  readonly #clients: RawClient[] = [];
  readonly #threads: number;

  /** Use {@link startComposed}. */
  constructor(running: Running, threads: number) {
    this.running = running;
    this.#threads = threads;
  }

  /** Has it run another configuration. Rejects with what is wrong with it. */
  reload(text: string): Promise<RunReport> {
    return this.running.reload(specOf(text, this.running.spec.seed), this.#threads);
  }

  get port(): number {
    return Number(this.running.addresses[0]?.split(":").at(-1));
  }

  group(name: string): GroupStatus {
    return this.running.upstreams.get(name);
  }

  server(group: string, address: string): ServerStatus {
    return this.running.upstreams.getServer(group, address);
  }

  /** A client that is closed with the balancer. */
  async connect(): Promise<RawClient> {
    const client = await connectRaw(this.port);
    this.#clients.push(client);
    return client;
  }

  /** A GET on a connection of its own. */
  get(path = "/", ...fields: readonly string[]): Promise<RawResponse> {
    return get(this.port, path, ...fields);
  }

  /** The origin that answers a GET; the status where none did. */
  async whoAnswers(path = "/", ...fields: readonly string[]): Promise<string> {
    return originOf(await this.get(path, ...fields));
  }

  async shares(requests: number, path = "/", ...fields: readonly string[]): Promise<Shares> {
    const shares: Shares = {};
    for (let i = 0; i < requests; i++) {
      const name = await this.whoAnswers(path, ...fields);
      shares[name] = (shares[name] ?? 0) + 1;
    }
    return shares;
  }

  /** Waits until nothing waits for anything. */
  async settled(): Promise<void> {
    await until("nothing is under way", () => this.#underWay === 0);
  }

  get #underWay(): number {
    return this.running.upstreams
      .list()
      .reduce((sum, group) => sum + group.requests + group.connections + group.pending + group.retries, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
      await this.settled();
      await until("no request is counted any more", () => this.running.counters.requestsActive === 0);
    } finally {
      await this.running.stop();
    }
  }
}

/** Who answered, by the field that origins write. */
export function originOf(response: RawResponse): string {
  return response.header("x-origin") ?? String(response.status);
}

/** @param text a configuration; its first listener is the one that is asked */
export async function startComposed(text: string, options: ComposedOptions = {}): Promise<Composed> {
  const { threads = 0, seed = "seed" } = options;
  return new Composed(await startRunning(specOf(text, seed), threads, pino({ level: "silent" })), threads);
}

function specOf(text: string, seed: string): RunSpec {
  return {
    snapshot: parseConfig(text, "test.yaml", {}),
    ...{ program: null, binds: [], accessLog: null, instance: "test", seed },
    errorLog: { level: "silent", path: null },
  };
}
