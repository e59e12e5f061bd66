import type { ProxyError } from "../base/errors.ts";
import type { AttemptWatcher } from "./attempt-watcher.ts";
import { type GroupMemory, OwnCount, ServerCount } from "./group-memory.ts";
import type { LatencyMeter } from "./latency-meter.ts";
import type { OutlierDetector } from "./outlier-detector.ts";
import { enterAll, type Gauge, leaveAll } from "./under-way.ts";

/** What the watchers of a group have in common in one thread. */
export interface WatcherMeans {
  readonly memory: GroupMemory;
  readonly gauges: readonly Gauge[];
  readonly latency: LatencyMeter;
  /** Null: what servers do with requests has no consequences. */
  readonly outliers: OutlierDetector | null;
  now(): number;
  /** A request is over: another one may fit. */
  onRoom(): void;
}

/**
 * Counts what becomes of a thread's requests to one server. It knows no single attempt, only how many there are in each
 * state; where several are under way and it isn't clear which one ended, it takes the likeliest. That keeps every count
 * right, and the order nearly.
 *
 *     onBegin ─▶ waiting ── onResponse ─▶ good or bad ── onEnd ─▶ judged once: success, failure, or nothing
 */
export class ServerWatcher implements AttemptWatcher {
  /** Changes only while nothing is under way, for what began untimed has no beginning. */
  isTimed = false;
  readonly #slot: number;
  readonly #gauges: readonly Gauge[];
  readonly #means: WatcherMeans;
  /** What this thread counts of the server. */
  readonly #row: Float64Array;
  /** Attempts under way, and those of them that had a response. */
  #open = 0;
  #good = 0;
  #bad = 0;
  /** Attempts that began when the server had left the group: its slot isn't theirs. */
  #uncounted = 0;
  #isRetired = false;

  constructor(slot: number, gauges: readonly Gauge[], means: WatcherMeans) {
    this.#slot = slot;
    this.#gauges = gauges;
    this.#means = means;
    this.#row = means.memory.ownRow(slot);
  }

  /** The server has left the group: what begins from now on isn't counted. */
  retire(): void {
    this.#isRetired = true;
  }

  onBegin(): boolean {
    if (this.#isRetired) {
      this.#uncounted++;
      return true;
    }
    const { gauges, latency } = this.#means;
    if (!enterAll(gauges)) return false;
    if (!enterAll(this.#gauges)) {
      leaveAll(gauges);
      return false;
    }
    if (this.#open === 0) this.isTimed = latency.isWanted;
    this.#open++;
    this.#row[ServerCount.requests]! += 1;
    this.#row[OwnCount.Requests]! += 1;
    return true;
  }

  onResponse(status: number, milliseconds: number): void {
    const { latency, outliers } = this.#means;
    if (this.#open === 0) return;
    this.#row[countOfStatus(status)]! += 1;
    if (outliers?.isFailure(status) === true) this.#bad++;
    else this.#good++;
    if (milliseconds > 0) latency.note(this.#slot, milliseconds);
  }

  onEnd(error: ProxyError | null, waited: number): void {
    if (this.#uncounted > 0) {
      this.#uncounted--;
      return;
    }
    if (this.#open === 0) return;
    const { gauges, latency } = this.#means;
    if (waited > 0) latency.noteUnanswered(this.#slot, waited, error?.source === "upstream");
    this.#judge(error);
    this.#open--;
    this.#row[OwnCount.Requests]! -= 1;
    leaveAll(this.#gauges);
    leaveAll(gauges);
    this.#means.onRoom();
  }

  #judge(error: ProxyError | null): void {
    if (error === null) this.#judgeEnd();
    else if (error.source === "upstream") this.#judgeFailure(error);
    else this.#forgetOne();
  }

  /** Without a response it was given up by the proxy itself: that says nothing about the server. */
  #judgeEnd(): void {
    if (this.#bad > 0) {
      this.#bad--;
      this.#onFailure();
    } else if (this.#good > 0) {
      this.#good--;
      this.#row[OwnCount.Judged]! += 1;
      this.#means.outliers?.onSuccess(this.#slot);
    }
  }

  #judgeFailure(error: ProxyError): void {
    const isUnreachable = error.code.startsWith("UPSTREAM_CONNECT_");
    this.#row[isUnreachable ? ServerCount.connectFailures : ServerCount.failures]! += 1;
    this.#forgetOne();
    this.#onFailure();
  }

  #onFailure(): void {
    const { outliers } = this.#means;
    this.#row[OwnCount.Judged]! += 1;
    if (outliers !== null) outliers.onFailure(this.#slot, this.#means.now());
  }

  /** One that had no response, if there is any. */
  #forgetOne(): void {
    if (this.#good + this.#bad < this.#open) return;
    if (this.#good > 0) this.#good--;
    else this.#bad--;
  }
}

function countOfStatus(status: number): ServerCount {
  if (status < 300) return ServerCount.responses2xx;
  if (status < 400) return ServerCount.responses3xx;
  return status < 500 ? ServerCount.responses4xx : ServerCount.responses5xx;
}
