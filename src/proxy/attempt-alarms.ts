import { Alarm, type AlarmClock } from "../base/alarms.ts";

/** Told of what an attempt's alarms say. */
export interface AttemptAlarmsOwner {
  onTryTimeout(): void;
  onHedgeTime(): void;
  onBackoffOver(): void;
}

/** The times of a session's attempts, for sessions that have some: how long one may take, and the wait between two. */
export class AttemptAlarms {
  readonly #clock: AlarmClock;
  readonly #try: Alarm;
  readonly #hedge: Alarm;
  readonly #backoff: Alarm;

  constructor(clock: AlarmClock, owner: AttemptAlarmsOwner) {
    this.#clock = clock;
    this.#try = new Alarm(clock, () => owner.onTryTimeout());
    this.#hedge = new Alarm(clock, () => owner.onHedgeTime());
    this.#backoff = new Alarm(clock, () => owner.onBackoffOver());
  }

  setTry(milliseconds: number): void {
    this.#try.set(this.#clock.now() + milliseconds);
  }

  setHedge(milliseconds: number): void {
    this.#hedge.set(this.#clock.now() + milliseconds);
  }

  setBackoff(milliseconds: number): void {
    this.#backoff.set(this.#clock.now() + milliseconds);
  }

  /** The attempt is answered or over. */
  clearAttempt(): void {
    this.#try.clear();
    this.#hedge.clear();
  }

  clear(): void {
    this.clearAttempt();
    this.#backoff.clear();
  }
}
