// Run as a process of its own, with a LoadSpec in JSON as its only argument; prints a LoadResult.

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { percentile } from "../measure/statistics.ts";
import type { Protocol } from "../workloads.ts";
import { dial } from "./dial.ts";
import { isSecure, type LoadErrors, type LoadResult, type LoadSpec, timeoutSeconds } from "./load.ts";
import { MessageReader } from "./message-reader.ts";

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** One connection's worth of load: sends, waits for the whole answer, sends again. */
class Client {
  #socket: Socket | null = null;
  #reader = new MessageReader();
  #sentAt = 0;
  #session: Buffer | undefined;
  /** The first connection has no session to take up. */
  #hasOpened = false;
  readonly #run: Run;

  constructor(run: Run) {
    this.#run = run;
  }

  open(): void {
    const { port, protocol, resumes } = this.#run;
    const socket = dial(port, protocol, this.#session);
    let connected = false;
    this.#socket = socket;
    this.#reader = new MessageReader();
    this.#sentAt = performance.now();
    socket.on(isSecure(protocol) ? "secureConnect" : "connect", () => {
      connected = true;
      if (resumes && this.#hasOpened && !isResumed(socket)) this.#run.errors.connect++;
      this.#hasOpened = true;
      this.#send();
    });
    if (resumes) {
      socket.on("session", (session: Buffer) => {
        this.#session = session;
      });
    }
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("error", () => this.#lost(socket, connected ? "read" : "connect"));
    socket.on("close", () => this.#lost(socket, "read"));
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  expire(now: number): void {
    if (this.#socket === null || now - this.#sentAt < timeoutSeconds * 1000) return;
    this.#restart("timeout");
  }

  #send(): void {
    this.#sentAt = performance.now();
    this.#socket?.write(this.#run.request);
  }

  #read(bytes: Buffer): void {
    if (this.#socket === null || !this.#reader.feed(bytes)) return;
    this.#run.completed(performance.now() - this.#sentAt, this.#reader.status);
    if (this.#reader.closes) this.#reopenAfter(this.#socket);
    else this.#send();
  }

  /**
   * The proxy announced that it closes: its FIN ends the connection, so that the port waits out
   * its TIME_WAIT on the proxy's side, as with a browser.
   */
  #reopenAfter(socket: Socket): void {
    this.#socket = null;
    socket.on("close", () => this.#run.running && this.open());
  }

  #lost(socket: Socket, kind: "read" | "connect"): void {
    if (socket === this.#socket) this.#restart(kind);
  }

  #restart(kind: "read" | "connect" | "timeout"): void {
    this.#run.errors[kind]++;
    this.close();
    // Not at once: a proxy that refuses would otherwise be hammered in a tight loop.
    setTimeout(() => this.#run.running && this.open(), 20);
  }
}

function isResumed(socket: Socket): boolean {
  return (socket as TLSSocket).isSessionReused();
}

class Run {
  readonly port: number;
  readonly protocol: Protocol;
  readonly resumes: boolean;
  readonly request: Buffer;
  readonly errors: Mutable<LoadErrors> = { connect: 0, read: 0, write: 0, timeout: 0, status: 0 };
  running = true;
  readonly #latencies: number[] = [];
  readonly #startedAt = performance.now();

  constructor(spec: LoadSpec) {
    this.port = spec.port;
    this.protocol = spec.protocol;
    this.resumes = spec.handshakes === "resumed";
    this.request = readFileSync(spec.requestFile);
  }

  completed(millis: number, status: number): void {
    this.#latencies.push(millis);
    if (status < 200 || status > 299) this.errors.status++;
  }

  result(): LoadResult {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const sorted = this.#latencies.toSorted((a, b) => a - b);
    return {
      requests: sorted.length,
      seconds,
      p50Micros: Math.round(percentile(sorted, 0.5) * 1000),
      p99Micros: Math.round(percentile(sorted, 0.99) * 1000),
      errors: this.errors,
    };
  }
}

function main(spec: LoadSpec): void {
  const run = new Run(spec);
  const clients = Array.from({ length: spec.connections }, () => new Client(run));
  for (const client of clients) client.open();
  const watch = setInterval(() => {
    const now = performance.now();
    for (const client of clients) client.expire(now);
  }, 500);
  setTimeout(() => {
    run.running = false;
    clearInterval(watch);
    for (const client of clients) client.close();
    console.log(JSON.stringify(run.result()));
  }, spec.seconds * 1000);
}

main(JSON.parse(process.argv[2] ?? "{}") as LoadSpec);
