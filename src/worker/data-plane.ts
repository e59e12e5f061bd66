import type { Logger } from "pino";
import { Counters } from "../base/counters.ts";
import { AccessLog } from "../observe/access-log.ts";
import { createErrorLog, ErrorLogReporter } from "../observe/error-log.ts";
import { LogSink } from "../observe/log-sink.ts";
import { Server, type SocketSource } from "../proxy/server.ts";
import { buildServices } from "./build-services.ts";
import type { RunSpec } from "./run-spec.ts";

/** Everything that one thread of the data plane runs: services, their listeners and their logs. */
export class DataPlane {
  readonly #server: Server;
  readonly #accessSink: LogSink | null;
  readonly log: Logger;

  private constructor(server: Server, log: Logger, accessSink: LogSink | null) {
    this.#server = server;
    this.#accessSink = accessSink;
    this.log = log;
  }

  /** Builds the services and opens their listeners. Rejects with what is wrong, having opened nothing. */
  static async start(
    spec: RunSpec,
    thread: number,
    counters: SharedArrayBuffer,
    source: SocketSource,
  ): Promise<DataPlane> {
    const log = await createErrorLog(spec.errorLog, `worker ${thread}`);
    const sink = spec.accessLog === null ? null : new LogSink(spec.accessLog.path);
    const observer =
      sink === null || spec.accessLog === null ? null : new AccessLog(sink, spec.accessLog.format);
    const reporter = new ErrorLogReporter(log);
    const services = await buildServices(spec);
    const server = new Server(services, {
      counters: new Counters(counters, thread),
      observer,
      reporter,
      thread,
    });
    await server.start(source);
    return new DataPlane(server, log, sink);
  }

  get addresses(): readonly string[] {
    return this.#server.addresses;
  }

  /** Lets what is under way finish, for at most `grace` milliseconds. */
  async drain(grace: number): Promise<void> {
    await this.#server.drain(grace);
    this.#accessSink?.close();
  }
}
