import { reasonPhrase } from "../../http/status.ts";
import { createLimiter, type LimitMemories } from "../../limits/create-limiter.ts";
import { LimitCount, LimitCounts } from "../../limits/limit-counts.ts";
import { countsOf } from "../../limits/limit-memory.ts";
import type { Decision, Limiter } from "../../limits/limiter.ts";
import type { LocalLimiter } from "../../limits/local-limiter.ts";
import { IpRanges } from "../../net/ip-ranges.ts";
import type { Session } from "../../proxy/session.ts";
import type { ClientAddresses } from "../client-addresses.ts";
import { compileKey, type Key } from "../keys.ts";
import type { SessionPredicate } from "../matchers/session-matcher.ts";
import type { LimitSettings } from "../settings.ts";
import { limitLabel, policyItem, RemainingItems, refusedItem, wholeSeconds } from "./rate-limit-fields.ts";

/** What gates work with, besides their settings. */
export interface GateMeans {
  readonly memories: LimitMemories;
  readonly thread: number;
  readonly clients: ClientAddresses;
  readonly matches: SessionPredicate;
  readonly toLimiter: (settings: LimitSettings, local: LocalLimiter) => Limiter;
}

/** One limit at one route: which requests it is for, what they are limited by, and what becomes of them. */
export class LimitGate {
  /** Whether what is taken has to be given back. */
  readonly isHeld: boolean;
  /** What `RateLimit-Policy` says; null: clients aren't told. */
  readonly policy: string | null;
  readonly limiter: Limiter;
  readonly key: Key;
  readonly #label: string;
  readonly #items: RemainingItems;
  readonly #settings: LimitSettings;
  readonly #allowed: IpRanges | null;
  readonly #means: GateMeans;
  readonly #counts: LimitCounts;
  readonly #body: Buffer;

  /** @throws RangeError when the limit has no memory, or what is allowed is no range */
  constructor(settings: LimitSettings, means: GateMeans) {
    const { name, status, allow, headers, shadow } = settings;
    const memory = means.memories[name];
    if (memory === undefined) throw new RangeError(`The limit ${JSON.stringify(name)} has no memory`);
    this.limiter = means.toLimiter(settings, createLimiter(settings, memory, means.thread));
    this.isHeld = this.limiter.release !== undefined;
    // Who isn't refused has nothing to go by.
    this.policy = headers && !shadow ? policyItem(settings) : null;
    this.key = compileKey(settings.key, means.clients);
    this.#label = limitLabel(settings);
    this.#items = new RemainingItems(this.#label);
    this.#settings = settings;
    this.#allowed = allow.length === 0 ? null : new IpRanges(allow);
    this.#means = means;
    this.#counts = new LimitCounts(countsOf(memory), means.thread);
    this.#body = Buffer.from(`HTTP ${status} ${reasonPhrase(status)}\n`);
  }

  /** Whether the limit is for this request. */
  isFor(session: Session<unknown>): boolean {
    const { matches, clients } = this.#means;
    return matches(session) && (this.#allowed === null || !this.#allowed.has(clients.addressOf(session)));
  }

  /** Counts what was decided; whether the request may go on. */
  letsIn({ isAllowed }: Decision): boolean {
    const { shadow } = this.#settings;
    this.#counts.add(isAllowed ? LimitCount.allowed : shadow ? LimitCount.shadowed : LimitCount.refused);
    return isAllowed || shadow;
  }

  /** What `RateLimit` says of a request that was let in. */
  remaining(decision: Decision): string {
    return this.#items.of(decision);
  }

  refuse(session: Session<unknown>, decision: Decision): void {
    const headers: (readonly [string, string])[] = [
      ["Content-Type", "text/plain; charset=utf-8"],
      ["Retry-After", `${wholeSeconds(decision.retryAfter)}`],
    ];
    if (this.policy !== null)
      headers.push(["RateLimit-Policy", this.policy], ["RateLimit", refusedItem(this.#label, decision)]);
    session.respond({ status: this.#settings.status, headers, body: this.#body });
  }
}
