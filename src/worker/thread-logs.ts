import type { Logger } from "pino";
import { AccessLog } from "../observe/access-log.ts";
import {
  closeErrorLog,
  createErrorLog,
  type ErrorLogOptions,
  ErrorLogReporter,
} from "../observe/error-log.ts";
import { LogSink } from "../observe/log-sink.ts";
import type { RunSpec } from "./run-spec.ts";

type AccessLogOptions = NonNullable<RunSpec["accessLog"]>;

/** Logs that are ready to be written to instead of others. */
export interface LogSuccession {
  /** For services that start now. */
  readonly observer: AccessLog | null;
  /** All services write there from now on, those included that started before. */
  commit(): void;
  abandon(): void;
}

/** The logs of one thread, which may become others while it runs. */
export class ThreadLogs {
  readonly reporter: ErrorLogReporter;
  readonly #name: string;
  #errors: Logger;
  #errorOptions: ErrorLogOptions;
  #access: AccessLog | null = null;
  #accessOptions: AccessLogOptions | null = null;
  #sink: LogSink | null = null;

  private constructor(name: string, errors: Logger, { errorLog, accessLog }: RunSpec) {
    this.#name = name;
    this.#errors = errors;
    this.#errorOptions = errorLog;
    this.reporter = new ErrorLogReporter(errors);
    if (accessLog === null) return;
    this.#accessOptions = accessLog;
    this.#sink = new LogSink(accessLog.path);
    this.#access = new AccessLog(this.#sink, accessLog.format);
  }

  /** Rejects when a file can't be written. */
  static async open(spec: RunSpec, name: string): Promise<ThreadLogs> {
    return new ThreadLogs(name, await createErrorLog(spec.errorLog, name), spec);
  }

  /** What happens to the thread itself is written there. */
  readonly log: () => Logger = () => this.#errors;

  get observer(): AccessLog | null {
    return this.#access;
  }

  /** Rejects when a file can't be written. */
  async succeed({ errorLog, accessLog }: RunSpec): Promise<LogSuccession> {
    const { level, path } = this.#errorOptions;
    const isSame = errorLog.level === level && errorLog.path === path;
    const errors = isSame ? this.#errors : await createErrorLog(errorLog, this.#name);
    const sink = this.#nextSink(accessLog, errors);
    const observer =
      accessLog === null || sink === null ? null : (this.#access ?? new AccessLog(sink, accessLog.format));
    return {
      observer,
      commit: () => {
        if (errors !== this.#errors) this.#turnErrors(errors, errorLog);
        this.#turnAccess(observer, sink, accessLog);
      },
      abandon: () => {
        if (errors !== this.#errors) closeErrorLog(errors);
        if (sink !== this.#sink) void sink?.close();
      },
    };
  }

  /** @param errors let go of where the access log can't be written */
  #nextSink(options: AccessLogOptions | null, errors: Logger): LogSink | null {
    if (options === null) return null;
    if (options.path === this.#accessOptions?.path) return this.#sink;
    try {
      return new LogSink(options.path);
    } catch (error) {
      if (errors !== this.#errors) closeErrorLog(errors);
      throw error;
    }
  }

  #turnErrors(log: Logger, options: ErrorLogOptions): void {
    const before = this.#errors;
    this.#errors = log;
    this.#errorOptions = options;
    this.reporter.use(log);
    closeErrorLog(before);
  }

  /** What began before goes on to write where the others do, or nowhere. */
  #turnAccess(observer: AccessLog | null, sink: LogSink | null, options: AccessLogOptions | null): void {
    const before = this.#sink;
    this.#access?.use(sink, options?.format ?? "combined");
    observer?.use(sink, options?.format ?? "combined");
    this.#access = observer;
    this.#accessOptions = options;
    this.#sink = sink;
    if (before !== sink) void before?.close();
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    await this.#sink?.close();
  }
}
