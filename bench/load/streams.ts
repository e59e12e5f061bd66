import { once } from "node:events";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Child, launch } from "../processes.ts";

/** What a proxy of bytes is asked to do; both begin with a byte that tells the origin which. */
export type StreamKind = "echo" | "bulk";

/** What the first byte of a connection asks of the origin: to send everything back, or as much as it can. */
export const askedBy: Readonly<Record<StreamKind, number>> = { echo: 0x65, bulk: 0x62 };

/** One run of load on a proxy. */
export interface StreamSpec {
  readonly port: number;
  readonly kind: StreamKind;
  readonly connections: number;
  /** Bytes that go there and back in one echo. */
  readonly messageBytes: number;
  readonly seconds: number;
}

export interface StreamResult {
  /** Messages that came back. */
  readonly echoes: number;
  /** Bytes that came in. */
  readonly bytes: number;
  readonly seconds: number;
  /** 0 for bulk. */
  readonly p50Micros: number;
  readonly p99Micros: number;
  /** Connections that failed or broke, and echoes that weren't what was sent. */
  readonly errors: number;
}

const program = fileURLToPath(import.meta.resolve("./stream-generator.ts"));

/** The origin and the clients of byte streams, in one process on the processors that proxies don't use. */
export class StreamLoad {
  readonly originPort: number;
  readonly #child: Child;
  readonly #lines: Interface;

  private constructor(child: Child, lines: Interface, originPort: number) {
    this.#child = child;
    this.#lines = lines;
    this.originPort = originPort;
  }

  static async start(cpus: string | null): Promise<StreamLoad> {
    const child = launch([process.execPath, program], { cpus });
    const lines = createInterface({ input: child.process.stdout! });
    const { originPort } = JSON.parse(await nextLine(lines, child)) as { originPort: number };
    return new StreamLoad(child, lines, originPort);
  }

  async run(spec: StreamSpec): Promise<StreamResult> {
    this.#child.process.stdin!.write(`${JSON.stringify(spec)}\n`);
    return JSON.parse(await nextLine(this.#lines, this.#child)) as StreamResult;
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}

async function nextLine(lines: Interface, child: Child): Promise<string> {
  const said = once(lines, "line").then(([line]) => String(line));
  const line = await Promise.race([said, child.exited]);
  if (typeof line !== "string") throw new Error(`the stream generator ended: ${child.complaint()}`);
  return line;
}
