import { isThenable } from "../../base/errors.ts";
import { monotonicNow } from "../../base/monotonic.ts";
import type { HttpHeaders } from "../../http/http-headers.ts";
import type { LimitMemories } from "../../limits/create-limiter.ts";
import type { Decision, Limiter } from "../../limits/limiter.ts";
import type { LocalLimiter } from "../../limits/local-limiter.ts";
import type { MaybePromise } from "../../proxy/phases.ts";
import type { Session, SessionAttendant } from "../../proxy/session.ts";
import type { ClientAddresses } from "../client-addresses.ts";
import type { SessionMatcher } from "../matchers/session-matcher.ts";
import type { LimitSettings } from "../settings.ts";
import { type GateMeans, LimitGate } from "./limit-gate.ts";

/** What limits work with, in one thread. */
export interface LimitMeans {
  /** What `allocateLimitMemory` made for these limits. */
  readonly memories: LimitMemories;
  /** Whose counts are written, from 0. */
  readonly thread: number;
  /** Who tells where requests come from. */
  readonly clients: ClientAddresses;
  readonly matcher: SessionMatcher;
  /** Stands in for the limiter of this process, where counts stand elsewhere. Default: nothing does. */
  readonly toLimiter?: (settings: LimitSettings, local: LocalLimiter) => Limiter;
  /** Default: the machine's monotonic clock. */
  readonly now?: () => number;
}

/** The limits of a route, null where there are none. */
export function compileLimits(settings: readonly LimitSettings[], means: LimitMeans): RouteLimits | null {
  return settings.length === 0 ? null : new RouteLimits(settings, means);
}

/** What is to be given back at the end. */
interface Held {
  readonly limiter: Limiter;
  readonly key: string;
  readonly next: Held | null;
}

/** What was let in goes with its session, so that nobody has to look it up. */
class Passed implements SessionAttendant {
  policy = "";
  rateLimit = "";
  isOver = false;
  #held: Held | null = null;

  hold(limiter: Limiter, key: string): void {
    this.#held = { limiter, key, next: this.#held };
  }

  /** Tells how much is left of the limits that let the session in. */
  addFields(headers: HttpHeaders): void {
    if (this.rateLimit === "") return;
    // A server may have limits of its own: those are further items of the same lists.
    headers.append("RateLimit-Policy", this.policy);
    headers.append("RateLimit", this.rateLimit);
  }

  onOwnResponse(headers: HttpHeaders): void {
    this.addFields(headers);
  }

  /** A limit behind those that let it in has refused the session, and is the only one to be told of. */
  onRefusal(): void {
    this.rateLimit = "";
    this.giveBack();
  }

  giveBack(): void {
    for (let held = this.#held; held !== null; held = held.next) held.limiter.release!(held.key);
    this.#held = null;
  }

  onSessionEnd(): void {
    this.isOver = true;
    this.giveBack();
  }
}

/**
 * The limits of one route in one thread, in order; the first that is exceeded answers. What limits before it have counted stays
 * counted, and what they hold is given back. What the others hold is given back when the session ends.
 *
 *     requestFilter   limits.before(session)             true: it was answered
 *     responseFilter  addLimitFields(session, headers)   only where `limits.addsFields`
 */
export class RouteLimits {
  /** Whether responses tell how much is left. */
  readonly addsFields: boolean;
  readonly #isAttended: boolean;
  readonly #gates: readonly LimitGate[];
  readonly #now: () => number;

  constructor(settings: readonly LimitSettings[], means: LimitMeans) {
    const { matcher, toLimiter = (_settings, local): Limiter => local } = means;
    this.#gates = settings.map((one) => {
      const gate: GateMeans = { ...means, toLimiter, matches: matcher.compile(one.match) };
      return new LimitGate(one, gate);
    });
    this.#now = means.now ?? monotonicNow;
    this.addsFields = this.#gates.some(({ policy }) => policy !== null);
    this.#isAttended = this.addsFields || this.#gates.some(({ isHeld }) => isHeld);
  }

  /** Counts a request. True: a limit was exceeded, and the session is answered. */
  before(session: Session<unknown>): MaybePromise<boolean> {
    if (!this.#isAttended) return this.#ask(session, null, 0);
    const passed = new Passed();
    session.attendant = passed;
    return this.#ask(session, passed, 0);
  }

  /** Asks the limits from one on. */
  #ask(session: Session<unknown>, passed: Passed | null, from: number): MaybePromise<boolean> {
    const now = this.#now();
    for (let i = from; i < this.#gates.length; i++) {
      const gate = this.#gates[i]!;
      if (!gate.isFor(session)) continue;
      const key = gate.key(session);
      const decision = gate.limiter.take(key, now);
      if (isThenable(decision)) return this.#wait(session, passed, i, key, decision);
      if (!settle(session, passed, gate, key, decision)) return true;
    }
    return false;
  }

  async #wait(
    session: Session<unknown>,
    passed: Passed | null,
    index: number,
    key: string,
    promised: PromiseLike<Decision>,
  ): Promise<boolean> {
    const gate = this.#gates[index]!;
    const decision = await promised;
    // The client has left meanwhile, or time has run out.
    if (session.responded || passed?.isOver === true) {
      if (decision.isAllowed) gate.limiter.release?.(key);
      return true;
    }
    if (!settle(session, passed, gate, key, decision)) return true;
    return this.#ask(session, passed, index + 1);
  }
}

/** Tells in the response to a session how much is left of the limits that it passed. */
export function addLimitFields({ attendant }: Session<unknown>, headers: HttpHeaders): void {
  if (attendant instanceof Passed) attendant.addFields(headers);
}

/** Does what a limit has decided; whether the request may go on. */
function settle(
  session: Session<unknown>,
  passed: Passed | null,
  gate: LimitGate,
  key: string,
  decision: Decision,
): boolean {
  if (!gate.letsIn(decision)) {
    passed?.onRefusal();
    gate.refuse(session, decision);
    return false;
  }
  if (passed === null) return true;
  if (gate.isHeld && decision.isAllowed) passed.hold(gate.limiter, key);
  if (gate.policy !== null) {
    const item = gate.remaining(decision);
    passed.rateLimit = passed.rateLimit === "" ? item : `${passed.rateLimit}, ${item}`;
    passed.policy = passed.policy === "" ? gate.policy : `${passed.policy}, ${gate.policy}`;
  }
  return true;
}
