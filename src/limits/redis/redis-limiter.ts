import { hash } from "node:crypto";
import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { describeThrown } from "../../base/errors.ts";
import type { RedisLink, RedisWatcher } from "../../net/redis/redis-link.ts";
import { LimitCount, type LimitCounts } from "../limit-counts.ts";
import { LimitDecision } from "../limit-decision.ts";
import type { Decision, Limiter } from "../limiter.ts";
import type { LocalLimiter } from "../local-limiter.ts";
import { Question, Waiter } from "./question.ts";
import { Refusals } from "./refusals.ts";
import type { LimitScript } from "./scripts.ts";

/** Hexadecimal digits of a key: 128 bits. */
const DIGITS = 32;

export interface RedisLimiterParts {
  readonly limit: number;
  readonly script: LimitScript;
  /** What keys begin with: the prefix, and the limit's name. */
  readonly prefix: string;
  /** Milliseconds a request waits at most. */
  readonly timeout: number;
  /** Decides while Redis is away. */
  readonly local: LocalLimiter;
  readonly link: RedisLink;
  /** Where decisions are counted that had to be made here. */
  readonly counts: LimitCounts;
  readonly clock: AlarmClock;
  /** Told of each time that Redis answered, but with an error. */
  readonly onError: (message: string) => void;
}

/**
 * A limit that several machines count together. Redis decides; whenever it can't, or not in time, the limiter of this process does,
 * which has counted what this process let in, so that it doesn't begin at nothing. No request fails for Redis's sake, and none
 * waits while it is known to be away.
 */
export class RedisLimiter implements Limiter, RedisWatcher {
  readonly #parts: RedisLimiterParts;
  readonly #refusals: Refusals;
  readonly #questions = new Map<string, Question>();
  readonly #alarm: Alarm;
  /** Those that wait, in the order in which their time is over. */
  #first: Waiter | null = null;
  #last: Waiter | null = null;

  constructor(parts: RedisLimiterParts) {
    this.#parts = parts;
    this.#refusals = new Refusals(parts.limit);
    // What came in while this thread was busy is read first: its own slowness isn't Redis's.
    this.#alarm = new Alarm(parts.clock, () => setImmediate(() => this.#expire()));
    parts.link.watch(this);
  }

  take(key: string, now: number): Decision | Promise<Decision> {
    const { link, local, counts, clock, timeout } = this.#parts;
    if (link.isAway) {
      counts.add(LimitCount.errors);
      return local.take(key, now);
    }
    const refusal = this.#refusals.of(key, now);
    if (refusal !== null) return refusal;
    const waiter = new Waiter(key, now, clock.now() + timeout);
    this.#enqueue(waiter);
    const question = this.#questions.get(key);
    if (question === undefined) this.#begin(key, new Question(waiter));
    else question.waiting.push(waiter);
    return waiter.decision;
  }

  /** Redis has gone away: all who wait are decided upon here. */
  onAway(): void {
    this.#refusals.clear();
    this.#questions.clear();
    for (let waiter = this.#first; waiter !== null; waiter = waiter.next) this.#decideHere(waiter);
    this.#dropDecided();
  }

  #enqueue(waiter: Waiter): void {
    if (this.#last === null) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
    if (!this.#alarm.isSet) this.#alarm.set(waiter.until);
  }

  #dropDecided(): void {
    while (this.#first?.isDone === true) this.#first = this.#first.next;
    if (this.#first === null) this.#last = null;
  }

  #expire(): void {
    const { clock, link, timeout } = this.#parts;
    this.#dropDecided();
    if (this.#first === null) return;
    if (this.#first.until > clock.now()) this.#alarm.set(this.#first.until);
    else link.giveUpOn(timeout);
  }

  #begin(key: string, question: Question): void {
    this.#questions.set(key, question);
    void this.#pursue(key, question);
  }

  /** Asks until nobody waits any more. */
  async #pursue(key: string, question: Question): Promise<void> {
    const name = this.#nameOf(key);
    do {
      try {
        const reply = await this.#ask(name, question.asking.length);
        if (this.#questions.get(key) !== question) return;
        this.#settle(key, question.asking, reply);
      } catch (error) {
        if (this.#questions.get(key) !== question) return;
        this.#parts.onError(describeThrown(error));
        for (const waiter of question.asking) this.#decideHere(waiter);
      }
      this.#dropDecided();
    } while (question.advance());
    this.#questions.delete(key);
  }

  /** Keys may be long, and may be secrets; Redis shows its keys to many. */
  #nameOf(key: string): string {
    const { prefix, script } = this.#parts;
    return `${prefix}:${script.tag}:${hash("sha256", key, "hex").slice(0, DIGITS)}`;
  }

  async #ask(name: string, wanted: number): Promise<readonly number[]> {
    const { link, script } = this.#parts;
    const rest = ["1", name, ...script.numbers, `${wanted}`];
    try {
      return toNumbers(await link.ask(["EVALSHA", script.sha, ...rest]));
    } catch (error) {
      if (!describeThrown(error).startsWith("NOSCRIPT")) throw error;
      // Redis was started anew, or told to forget its scripts. It remembers this one from now on.
      return toNumbers(await link.ask(["EVAL", script.source, ...rest]));
    }
  }

  #settle(key: string, waiters: readonly Waiter[], reply: readonly number[]): void {
    const [granted, left, resetMicros, retryMicros] = reply as [number, number, number, number];
    const { limit, local } = this.#parts;
    const reset = resetMicros / 1000;
    const retryAfter = retryMicros / 1000;
    let place = 0;
    for (const waiter of waiters) {
      place++;
      const decision = new LimitDecision(limit);
      if (place > granted) waiter.decide(decision.refuse(reset, retryAfter));
      else {
        local.take(key, waiter.now);
        waiter.decide(decision.allow(left + granted - place, reset));
      }
    }
    if (granted < place) this.#refusals.add(key, waiters[0]!.now, reset, retryAfter);
  }

  #decideHere(waiter: Waiter): void {
    if (waiter.isDone) return;
    const { limit, local, counts } = this.#parts;
    counts.add(LimitCount.errors);
    const { isAllowed, remaining, reset, retryAfter } = local.take(waiter.key, waiter.now);
    const decision = new LimitDecision(limit);
    waiter.decide(isAllowed ? decision.allow(remaining, reset) : decision.refuse(reset, retryAfter));
  }
}

/** @throws TypeError when it isn't the answer of a script */
function toNumbers(reply: unknown): readonly number[] {
  if (Array.isArray(reply) && reply.length === 4 && reply.every((one) => typeof one === "number"))
    return reply;
  throw new TypeError("Redis answered something else than was asked");
}
