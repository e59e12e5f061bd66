import type { Logger } from "pino";
import { describeThrown } from "../../base/errors.ts";
import { ConfigError, formatProblem } from "../../config/config-error.ts";
import type { ReloadReport, RunReport } from "./report.ts";

export interface ReloaderOptions<L> {
  /** What the process was started with. */
  readonly first: L;
  /** Reads anew what is to be run. Rejects with what is wrong: a `ConfigError` says where. */
  load(): Promise<L>;
  /** Has it run. Rejects with what is wrong, having changed nothing. */
  apply(next: L): Promise<RunReport>;
  /** Hears of the beginning and the end of each attempt, whatever comes of it. */
  onReloading?(isReloading: boolean): void;
  readonly log: Logger;
  /** Milliseconds since 1970, for what people read. Default: `Date.now`. */
  readonly wallClock?: () => number;
}

/** Something that was run and was good. Plain data. */
export interface GoodOne {
  /** From 1: what the process was started with. */
  readonly number: number;
  /** Since when it was run, milliseconds since 1970. */
  readonly since: number;
}

/** How it stands with reloading. Plain data. */
export interface ReloadStatus {
  /** What is run. */
  readonly current: GoodOne;
  /** True when it is an earlier one again, whatever the file says. */
  readonly isRolledBack: boolean;
  readonly isReloading: boolean;
  /** What could be rolled back to, the latest first. */
  readonly earlier: readonly GoodOne[];
  /** Why the last attempt changed nothing; null when it went well, or there was none. */
  readonly lastError: { readonly time: number; readonly message: string } | null;
  /** What came of the last one that went well. */
  readonly lastReport: ReloadReport | null;
}

/** How many there are to roll back to. */
const MOST_KEPT = 5;

interface Kept<L> extends GoodOne {
  readonly loaded: L;
}

/** There is nothing to roll back to. */
export class NothingEarlierError extends Error {
  constructor() {
    super("There is nothing to roll back to: nothing else was run since the process began");
    this.name = "NothingEarlierError";
  }
}

/**
 * Reloads what a process runs, one after the other, and remembers what was good. What is asked for while one is under way is
 * done once, after it: whoever asks sees what the file holds at that time or later.
 *
 *     reload ─▶ load ─▶ apply ─┬─ good ──▶ current; the one before is remembered
 *                              └─ wrong ─▶ logged with its place; nothing has changed
 */
export class Reloader<L> {
  readonly #options: ReloaderOptions<L>;
  #current: Kept<L>;
  /** The latest first. */
  #earlier: readonly Kept<L>[] = [];
  #isRolledBack = false;
  /** The highest number that was given. */
  #latest = 1;
  #lastError: ReloadStatus["lastError"] = null;
  #lastReport: ReloadReport | null = null;
  /** What is under way; null: nothing. */
  #running: Promise<unknown> | null = null;
  /** The reload after that, which all wait for who asked meanwhile. */
  #next: Promise<ReloadReport> | null = null;
  /** Wanted or under way: who asks once more sees what the first one saw, and wants no more. */
  #rollingBack: Promise<ReloadReport> | null = null;

  constructor(options: ReloaderOptions<L>) {
    this.#options = options;
    this.#current = { number: 1, since: this.#now(), loaded: options.first };
  }

  /** Runs what there is now to read. Rejects with what is wrong with it, having changed nothing. */
  reload(): Promise<ReloadReport> {
    if (this.#running === null) return this.#begin(() => this.#reload());
    this.#next ??= this.#afterwards(() => {
      this.#next = null;
      return this.#reload();
    });
    return this.#next;
  }

  /**
   * Runs the last good one before this one again, as it was read then: files that it names are read anew.
   * Rejects with a `NothingEarlierError`, or with what is wrong with it by now, having changed nothing.
   */
  rollback(): Promise<ReloadReport> {
    this.#rollingBack ??= this.#afterwards(() => this.#rollback()).finally(() => {
      this.#rollingBack = null;
    });
    return this.#rollingBack;
  }

  get status(): ReloadStatus {
    return {
      current: toGoodOne(this.#current),
      isRolledBack: this.#isRolledBack,
      isReloading: this.#running !== null,
      earlier: this.#earlier.map(toGoodOne),
      lastError: this.#lastError,
      lastReport: this.#lastReport,
    };
  }

  /** What is run, as it was loaded. */
  get current(): L {
    return this.#current.loaded;
  }

  #begin<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    const done = running.then(
      () => undefined,
      () => undefined,
    );
    this.#running = done;
    void done.then(() => {
      if (this.#running === done) this.#running = null;
    });
    return running;
  }

  async #afterwards<T>(work: () => Promise<T>): Promise<T> {
    while (this.#running !== null) await this.#running;
    return await this.#begin(work);
  }

  async #reload(): Promise<ReloadReport> {
    return await this.#attempt(async () => {
      const loaded = await this.#options.load();
      const report = await this.#options.apply(loaded);
      // What changed besides counts too: whoever rolls back to it has it again.
      if (report.kind === "nothing") this.#current = { ...this.#current, loaded };
      else {
        this.#earlier = [this.#current, ...this.#earlier].slice(0, MOST_KEPT);
        this.#current = { number: ++this.#latest, since: this.#now(), loaded };
      }
      this.#isRolledBack = false;
      return { ...report, number: this.#current.number };
    });
  }

  async #rollback(): Promise<ReloadReport> {
    return await this.#attempt(async () => {
      const [last, ...others] = this.#earlier;
      if (last === undefined) throw new NothingEarlierError();
      const report = await this.#options.apply(last.loaded);
      this.#current = { ...last, since: this.#now() };
      this.#earlier = others;
      this.#isRolledBack = true;
      return { ...report, number: last.number };
    });
  }

  async #attempt(work: () => Promise<ReloadReport>): Promise<ReloadReport> {
    this.#options.onReloading?.(true);
    try {
      const report = await work();
      this.#lastError = null;
      this.#lastReport = report;
      logReport(report, this.#options.log);
      return report;
    } catch (error) {
      this.#lastError = { time: this.#now(), message: describeThrown(error) };
      logFailure(error, this.#options.log);
      throw error;
    } finally {
      this.#options.onReloading?.(false);
    }
  }

  #now(): number {
    return (this.#options.wallClock ?? Date.now)();
  }
}

function toGoodOne({ number, since }: GoodOne): GoodOne {
  return { number, since };
}

function logReport({ kind, number, changes, notes, warnings, took }: ReloadReport, log: Logger): void {
  for (const { path, message } of warnings) log.warn({ path }, `${path}: ${message}`);
  for (const { path, message } of notes) log.info({ path }, `${path}: ${message}`);
  if (kind === "nothing") log.info("Reloaded: there was nothing to change");
  else {
    const facts = { number, kind, changes: changes.length, took_ms: Math.round(took) };
    log.info(facts, "Reloaded: another configuration is run");
  }
}

/** A line for each thing that is wrong, with its place. */
function logFailure(error: unknown, log: Logger): void {
  const problems =
    error instanceof ConfigError ? error.entries.map(formatProblem) : describeThrown(error).split("\n");
  for (const problem of problems) log.error({ problem }, "Not reloaded, nothing has changed");
}
