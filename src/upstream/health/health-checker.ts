import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import type { Random } from "../../base/random.ts";
import type { Address } from "../../net/address.ts";
import type { HealthCheckSettings } from "../group-settings.ts";
import { describeFailure } from "./describe-failure.ts";
import type { Probe, ProbeResult } from "./probe.ts";

export interface HealthCheckerMeans {
  readonly clock: AlarmClock;
  /** Where a probe falls within its jitter. */
  readonly random: Random;
  readonly probe: Probe;
  /**
   * Called when the server became well or stopped being so, and not otherwise.
   * @param reason what the last probe found, as a line for people
   */
  onChange(isHealthy: boolean, reason: string): void;
}

/** When and how to count. */
type CheckTimes = Pick<HealthCheckSettings, "interval" | "jitter" | "timeout" | "rise" | "fall" | "port">;

/** Milliseconds. An alarm that rings this late says that this thread was held up, not that a server was. */
const HELD_UP = 100;

const ANSWERS_AGAIN = "answers again";

/**
 * Asks one server again and again whether it is well, and says when that changes.
 *
 *     start ─── interval ───▶ probe ─── interval, from its start ───▶ probe …
 *                              ├─ result          ─▶ counted
 *                              └─ timeout: abort  ─▶ counted as a failure
 *
 * - A server is well, unless something else is known at first, until `fall` probes in a row say otherwise, then not until `rise` in a row succeed.
 * - The first probe comes when the interval has passed, or up to `jitter` of it later; each further one up to `jitter`
 *   earlier or later: that keeps the probes of many servers from coming all at once.
 * - There is one probe at a time. One that is due while another is under way begins when that one has ended.
 * - With equal answers, an equal clock and an equal `random`, everything happens at the same times again.
 */
export class HealthChecker {
  readonly #times: CheckTimes;
  readonly #address: Address;
  readonly #means: HealthCheckerMeans;
  readonly #next: Alarm;
  readonly #deadline: Alarm;
  #deadlineAt = 0;
  /** The probe under way, until it has settled, also when nobody wants its result any more. */
  #run: AbortController | null = null;
  #isRunning = false;
  /** The time for the next probe has come while one was under way. */
  #isDue = false;
  /** Results in a row that say otherwise than `isHealthy`. */
  #streak = 0;
  #isHealthy: boolean;

  /**
   * @param address the server's; of a TCP address, the settings may replace the port
   * @param isHealthy what is held of the server until probes say otherwise
   */
  constructor(settings: CheckTimes, address: Address, means: HealthCheckerMeans, isHealthy: boolean = true) {
    const { port } = settings;
    this.#isHealthy = isHealthy;
    this.#times = settings;
    this.#address = port === null || address.kind === "unix" ? address : { ...address, port };
    this.#means = means;
    this.#next = new Alarm(means.clock, () => this.#onDue());
    this.#deadline = new Alarm(means.clock, () => this.#onDeadline());
  }

  get isHealthy(): boolean {
    return this.#isHealthy;
  }

  /** Begins, with one interval of waiting; does nothing when it has begun already. */
  start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#schedule(1 + this.#times.jitter * this.#means.random.next());
  }

  /**
   * Ends, and gives up a probe that is under way: `onChange` isn't called any more. What is known stays, so that a later
   * `start` goes on from there, but results from before and after aren't counted as in a row.
   */
  stop(): void {
    this.#isRunning = false;
    this.#isDue = false;
    this.#streak = 0;
    this.#next.clear();
    this.#deadline.clear();
    this.#run?.abort("stopped");
  }

  #schedule(intervals: number): void {
    this.#next.set(this.#means.clock.now() + this.#times.interval * intervals);
  }

  #onDue(): void {
    if (this.#run === null) this.#probe();
    else this.#isDue = true;
  }

  #probe(): void {
    const { clock, random, probe } = this.#means;
    const { jitter, timeout } = this.#times;
    const run = new AbortController();
    this.#run = run;
    this.#isDue = false;
    this.#schedule(1 + jitter * (2 * random.next() - 1));
    if (timeout > 0) this.#waitUntil(clock.now() + timeout);
    probe.run(this.#address, run.signal).then(
      (result) => this.#onSettled(run, result),
      (error: unknown) => this.#onSettled(run, { isHealthy: false, reason: describeFailure(error) }),
    );
  }

  #waitUntil(at: number): void {
    this.#deadlineAt = at;
    this.#deadline.set(at);
  }

  #onDeadline(): void {
    const now = this.#means.clock.now();
    // The answer may lie here unread, since nothing was read while this thread stood still.
    if (now - this.#deadlineAt > HELD_UP) this.#waitUntil(now + HELD_UP);
    else this.#giveUp(`no answer within ${this.#times.timeout} ms`);
  }

  #giveUp(reason: string): void {
    this.#run!.abort(reason);
    this.#count({ isHealthy: false, reason });
  }

  #onSettled(run: AbortController, result: ProbeResult): void {
    this.#run = null;
    // What was given up has been counted, or is of no interest.
    if (!run.signal.aborted) {
      this.#deadline.clear();
      this.#count(result);
    }
    if (this.#isDue) this.#probe();
  }

  #count(result: ProbeResult): void {
    if (result.isHealthy === this.#isHealthy) {
      this.#streak = 0;
      return;
    }
    this.#streak++;
    if (this.#streak < (result.isHealthy ? this.#times.rise : this.#times.fall)) return;
    this.#streak = 0;
    this.#isHealthy = result.isHealthy;
    this.#means.onChange(result.isHealthy, result.isHealthy ? ANSWERS_AGAIN : result.reason);
  }
}
