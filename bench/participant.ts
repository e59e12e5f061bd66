import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Bench } from "./bench.ts";
import { waitUntilReady } from "./load/ready.ts";
import type { Peer } from "./peers/peer.ts";
import { type Child, freePort, launch } from "./processes.ts";
import type { Recording, Sample } from "./results.ts";
import type { HttpWorkload, Protocol, Workload } from "./workloads.ts";

/** A peer that can run here, and the version of it that is installed. */
export interface Entrant {
  readonly peer: Peer;
  readonly version: string;
}

/** What a proxy leads to. */
export interface Target {
  readonly port: number;
  /** Resolves once the proxy on `port` leads there as it should; rejects when it never does. */
  ready(child: Child, port: number): Promise<void>;
}

/**
 * One peer under one workload, from its start to its recording. After the first failure it does
 * nothing more, and the recording says why: one broken peer doesn't end the others' run.
 */
export class Participant {
  readonly name: string;
  port = 0;
  #child: Child | null = null;
  #failure: string | undefined;
  readonly #rounds: Sample[] = [];
  readonly #entrant: Entrant;
  readonly #workload: Workload;
  readonly #bench: Bench;
  readonly #target: Target;

  constructor(entrant: Entrant, workload: Workload, bench: Bench, target: Target) {
    this.name = entrant.peer.name;
    this.#entrant = entrant;
    this.#workload = workload;
    this.#bench = bench;
    this.#target = target;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts the proxy and sees to it that it answers the workload's request as it should. */
  start(): Promise<void> {
    return this.#attempt(async () => {
      const { settings, pinning, directory, certificate } = this.#bench;
      const { connections } = this.#workload;
      this.port = await freePort();
      this.#child = await this.#entrant.peer.start({
        port: this.port,
        originPort: this.#target.port,
        threads: settings.threads,
        connections,
        protocol: protocolOf(this.#workload),
        certificate,
        directory: await mkdtemp(join(directory, `${this.name}-`)),
        launch: (command, options) => launch(command, { ...options, cpus: pinning.proxy }),
      });
      await this.#target.ready(this.#child, this.port);
    });
  }

  /** Keeps the sample that `measure` takes; it is not called when something failed before. */
  record(measure: (participant: Participant) => Promise<Sample>): Promise<void> {
    return this.#attempt(async () => {
      this.#rounds.push(await measure(this));
    });
  }

  /** Does something with the running proxy that is not recorded. */
  run(action: (participant: Participant) => Promise<unknown>): Promise<void> {
    return this.#attempt(async () => {
      await action(this);
    });
  }

  async stop(): Promise<void> {
    await this.#child?.stop();
    this.#child = null;
  }

  recording(): Recording {
    const failure = this.#failure === undefined ? {} : { failure: this.#failure };
    return { peer: this.name, version: this.#entrant.version, rounds: this.#rounds, ...failure };
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    if (this.#failure !== undefined) return;
    try {
      await action();
      if (this.#child?.ended()) throw new Error(`it ended: ${this.#child.complaint()}`);
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      this.#bench.progress.problem(`${this.name}: ${this.#failure}`);
      await this.stop();
    }
  }
}

/** The origin of HTTP, to which a proxy must lead the workload's own request. */
export function httpTarget(workload: HttpWorkload, { origin }: Bench, seconds?: number): Target {
  return { port: origin.port, ready: (child, port) => waitUntilReady(child, port, workload, seconds) };
}

/** What clients speak under a workload; proxies of bytes are told the most usual. */
export function protocolOf(workload: Workload): Protocol {
  return "protocol" in workload ? workload.protocol : "http1";
}

/** Writes the workload's request to where the load generators read it. */
export async function writeRequest(workload: HttpWorkload, directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  const file = join(directory, `request-${workload.name}`);
  await writeFile(file, workload.request, "latin1");
  return file;
}
