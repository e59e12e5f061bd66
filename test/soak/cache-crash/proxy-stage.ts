import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { fileURLToPath } from "node:url";
import { patternBytes } from "../../kit/pattern.ts";
import { freePort, listen } from "../../kit/ports.ts";
import { createRandom } from "../../kit/random.ts";
import { randomLength } from "./contents.ts";

/** Versions of a key, so that no two bodies are the same. */
const VERSIONS = 8_000;
const PROGRAM = fileURLToPath(new URL("../../../bin/sluice.js", import.meta.url));

/** What is measured of the proxy: one listener with the disk alone, and one with memory before it. */
export const KINDS = ["disk", "tiered"] as const;

/** An origin whose answers say of which version they are, and that makes a new one each time it is asked. */
export class VersionOrigin {
  readonly #versions = new Map<string, number>();
  readonly #server: Server = createServer((request, response) => this.#answer(request, response));

  /** @returns its port */
  listen(): Promise<number> {
    return listen(this.#server);
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** The last version of a key that was made. */
  versionOf(path: string): number {
    return this.#versions.get(path) ?? 0;
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url!;
    request.resume();
    if (request.method !== "GET") {
      response.setHeader("X-Version", this.versionOf(path));
      response.end();
      return;
    }
    const version = this.versionOf(path) + 1;
    this.#versions.set(path, version);
    const body = bodyOf(path, version);
    response.setHeader("Cache-Control", "max-age=3600");
    response.setHeader("X-Version", version);
    // Of some nobody knows beforehand how long they are.
    if (version % 3 > 0) response.setHeader("Content-Length", body.length);
    response.write(body.subarray(0, body.length >> 1));
    setImmediate(() => response.end(body.subarray(body.length >> 1)));
  }
}

export function bodyOf(path: string, version: number): Buffer {
  const number = Number(/\d+$/.exec(path)![0]) * VERSIONS + version;
  return patternBytes(randomLength(createRandom(number)), 0, number);
}

export interface ProxyPlan {
  /** Of the caches' folders, which are called as the kinds are. */
  readonly join: (name: string) => string;
  readonly mostBytes: number;
  readonly threads: number;
}

/** The proxy as a process, which is killed and started again on the same ports. */
export class KilledProxy {
  readonly ports: readonly number[];
  readonly #file: string;
  #child: ChildProcess | null = null;

  private constructor(ports: readonly number[], file: string) {
    this.ports = ports;
    this.#file = file;
  }

  static async prepare({ join, mostBytes, threads }: ProxyPlan, upstream: number): Promise<KilledProxy> {
    const ports = [await freePort(), await freePort()];
    const disk = (kind: string): object => ({ path: join(kind), size: mostBytes });
    const caches = {
      disk: { memory: "off", disk: disk("disk") },
      tiered: { memory: "4MiB", disk: disk("tiered") },
    };
    const listeners = KINDS.map((kind, i) => ({
      bind: `127.0.0.1:${ports[i]}`,
      cache: { use: kind, purge_from: "127.0.0.1" },
      upstream: `127.0.0.1:${upstream}`,
    }));
    const file = join("sluice.yaml");
    await writeFile(file, JSON.stringify({ threads, log_level: "error", caches, listeners }));
    return new KilledProxy(ports, file);
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const child = spawn(process.execPath, [PROGRAM, "run", this.#file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    let told = "";
    for await (const chunk of child.stdout) {
      told += String(chunk);
      if (told.split("Listening on").length > this.ports.length) return;
    }
    throw new Error("the proxy ended before it listened");
  }

  /** @param signal SIGKILL, or one by which it ends in order */
  async end(signal: NodeJS.Signals): Promise<void> {
    const exit = once(this.#child!, "exit");
    if (this.#child!.kill(signal)) await exit;
  }
}
