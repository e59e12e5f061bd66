import { Alarm, type AlarmClock } from "../base/alarms.ts";

/** Into how many steps the way to a full share is cut. */
const STEPS = 20;
/** Milliseconds below which a step is not worth the work. */
const SHORTEST_STEP = 50;

/** Lets servers that come back get their full share little by little, for a cold one would break down at once. */
export class SlowStart {
  readonly #duration: number;
  readonly #clock: AlarmClock;
  readonly #onStep: () => void;
  readonly #alarm: Alarm;
  /** When each server began. */
  readonly #began = new Map<number, number>();

  /**
   * @param duration milliseconds until the full share; 0: at once
   * @param onStep there are other shares than before
   */
  constructor(duration: number, clock: AlarmClock, onStep: () => void) {
    this.#duration = duration;
    this.#clock = clock;
    this.#onStep = onStep;
    this.#alarm = new Alarm(clock, () => this.#step());
  }

  begin(slot: number): void {
    if (this.#duration === 0) return;
    this.#began.set(slot, this.#clock.now());
    if (!this.#alarm.isSet) this.#wind();
  }

  /** Goes on with servers that began before, those that are on their way still, from when they began. */
  resume(began: ReadonlyMap<number, number>): void {
    if (this.#duration === 0) return;
    for (const [slot, time] of began) this.#began.set(slot, time);
    if (this.#began.size > 0 && !this.#alarm.isSet) this.#wind();
  }

  /** When servers began that are on their way to their full share, by slot. */
  get began(): ReadonlyMap<number, number> {
    return this.#began;
  }

  /** The full share at once: the server went away again. */
  end(slot: number): void {
    this.#began.delete(slot);
  }

  /** The part of its weight that a server gets: above 0, up to 1. */
  rampOf(slot: number): number {
    const began = this.#began.get(slot);
    if (began === undefined) return 1;
    const step = Math.floor(((this.#clock.now() - began) / this.#duration) * STEPS + ROUNDING);
    return Math.min((step + 1) / STEPS, 1);
  }

  stop(): void {
    this.#alarm.clear();
    this.#began.clear();
  }

  #step(): void {
    this.#onStep();
    for (const slot of this.#began.keys()) if (this.rampOf(slot) === 1) this.#began.delete(slot);
    if (this.#began.size > 0) this.#wind();
  }

  #wind(): void {
    this.#alarm.set(this.#clock.now() + Math.max(this.#duration / STEPS, SHORTEST_STEP));
  }
}

/** An alarm may ring a little early. */
const ROUNDING = 0.01;
