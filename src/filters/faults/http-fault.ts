import type { Random } from "../../base/random.ts";
import type { Session } from "../../proxy/session.ts";
import type { SessionPredicate } from "../matchers/session-matcher.ts";
import type { HttpFaultSettings } from "../settings.ts";
import type { FaultCount } from "./fault-counts.ts";

/** What a fault goes by when it decides whether it strikes. */
export interface FaultMeans {
  readonly matches: SessionPredicate;
  readonly count: FaultCount;
  readonly random: Random;
}

/** One fault of a route, in one thread. */
export class HttpFault {
  readonly settings: HttpFaultSettings;
  /** Requests that it has struck in this thread. */
  hits = 0;
  readonly #means: FaultMeans;
  #enabled: boolean;

  constructor(settings: HttpFaultSettings, means: FaultMeans) {
    this.settings = settings;
    this.#means = means;
    this.#enabled = settings.enabled;
  }

  get enabled(): boolean {
    return this.#enabled;
  }

  setEnabled(enabled: boolean, keepsCount: boolean): void {
    if (enabled && !this.#enabled && !keepsCount) this.#means.count.reset();
    this.#enabled = enabled;
  }

  /** Whether it strikes this request, which is counted by that. */
  strikes(session: Session<unknown>): boolean {
    const { matches, random } = this.#means;
    const { share } = this.settings;
    if (!this.#enabled || !matches(session) || !this.#isDue(session)) return false;
    if (share < 1 && random.next() >= share) return false;
    this.hits++;
    return true;
  }

  #isDue(session: Session<unknown>): boolean {
    const { first, every, key } = this.settings;
    if (first === null && every === null) return true;
    const nth = this.#means.count.next(key === null ? "" : (session.request.headers.get(key) ?? ""));
    return (first === null || nth <= first) && (every === null || nth % every === 0);
  }

  /** How long it holds this request up, milliseconds: uniform within the jitter. */
  drawDelay(): number {
    const { delay, jitter } = this.settings;
    if (jitter === 0) return delay;
    return Math.max(delay - jitter + this.#means.random.next() * 2 * jitter, 0);
  }
}
