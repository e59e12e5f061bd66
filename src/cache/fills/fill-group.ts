import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { type Fill, FillState, type FillStateCode } from "./fill.ts";

/** Owners that are told in one turn of the loop: each may begin to send a response, and others want their turn as well. */
const TOLD_AT_ONCE = 64;

/** @internal Decides what becomes of those who wait. */
export interface GroupKeeper {
  /** The doorbell has rung, or a claim has become too old. */
  look(group: FillGroup): void;
}

/** All of one thread that wait for one claim and those that take over from it: one doorbell and one alarm for all of them. */
export class FillGroup {
  readonly slot: number;
  readonly root: number;
  /** When the claim that is waited for is too old. */
  tooOld: number = Number.POSITIVE_INFINITY;
  /** Whether the doorbell will ring: once is enough, whatever happens until then. */
  isListening: boolean = false;
  readonly #keeper: GroupKeeper;
  readonly #clock: AlarmClock;
  readonly #alarm: Alarm;
  readonly #waiting = new Set<Fill>();
  #isSettled = false;
  /** When the first of those who wait has waited for long enough; early when that one has left. */
  #firstUntil = Number.POSITIVE_INFINITY;

  constructor(keeper: GroupKeeper, clock: AlarmClock, slot: number, root: number) {
    this.#keeper = keeper;
    this.#clock = clock;
    this.slot = slot;
    this.root = root;
    this.#alarm = new Alarm(clock, () => this.#expire());
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  readonly onBell = (): void => {
    this.isListening = false;
    this.#keeper.look(this);
  };

  add(fill: Fill): void {
    fill.state = FillState.Waiting;
    fill.group = this;
    this.#waiting.add(fill);
    this.#firstUntil = Math.min(this.#firstUntil, fill.until);
    this.wind();
  }

  remove(fill: Fill): void {
    this.#waiting.delete(fill);
    if (this.isEmpty) this.#alarm.clear();
  }

  /** The one that has waited longest takes over. */
  takeFirst(): Fill {
    const [first] = this.#waiting;
    this.remove(first!);
    return first!;
  }

  /** Sets the alarm for what comes first. */
  wind(): void {
    const next = Math.min(this.#firstUntil, this.tooOld);
    if (!this.isEmpty && next !== Number.POSITIVE_INFINITY) this.#alarm.set(next);
    else this.#alarm.clear();
  }

  /** It is over for all of them; once. */
  settle(state: FillStateCode): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#alarm.clear();
    for (const fill of this.#waiting) fill.state = state;
    this.#tell();
  }

  #tell(): void {
    let left = TOLD_AT_ONCE;
    for (const fill of this.#waiting) {
      if (left-- === 0) {
        setImmediate(() => this.#tell());
        return;
      }
      this.#waiting.delete(fill);
      if (fill.state !== FillState.Over) fill.owner?.onFill(fill);
    }
  }

  #expire(): void {
    const now = this.#clock.now();
    const late: Fill[] = [];
    this.#firstUntil = Number.POSITIVE_INFINITY;
    for (const fill of this.#waiting) {
      if (fill.until <= now) late.push(fill);
      else this.#firstUntil = Math.min(this.#firstUntil, fill.until);
    }
    for (const fill of late) {
      this.#waiting.delete(fill);
      fill.state = FillState.TimedOut;
    }
    if (this.tooOld <= now && !this.isEmpty) this.#keeper.look(this);
    else this.wind();
    for (const fill of late) if (fill.state === FillState.TimedOut) fill.owner?.onFill(fill);
  }
}
