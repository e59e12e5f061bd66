import { Alarm, type AlarmClock } from "../base/alarms.ts";
import type { OrderTaker } from "./patiently.ts";

/** Milliseconds between two looks. */
const PERIOD = 5_000;
/**
 * Looks in a row that find no answer until a thread counts as lost. Looks are counted and not time: a process that stood still as a whole
 * looks once when it goes on.
 */
const MOST_SILENT = 6;

/**
 * Asks a thread from time to time whether it still does what it is told. One that never gives its time back answers nobody: not those
 * whose connections it has either.
 */
export class Heartbeat {
  readonly #taker: OrderTaker;
  readonly #clock: AlarmClock;
  readonly #onLost: () => void;
  readonly #alarm: Alarm;
  #isAsked = false;
  #silent = 0;

  /** @param onLost called once, when it hasn't answered for about half a minute */
  constructor(taker: OrderTaker, clock: AlarmClock, onLost: () => void) {
    this.#taker = taker;
    this.#clock = clock;
    this.#onLost = onLost;
    this.#alarm = new Alarm(clock, () => this.#look());
    this.#wait();
  }

  stop(): void {
    this.#alarm.clear();
  }

  #look(): void {
    if (!this.#isAsked) this.#ask();
    else if (++this.#silent === MOST_SILENT) {
      this.#onLost();
      return;
    }
    this.#wait();
  }

  #ask(): void {
    const answered = (): void => {
      this.#isAsked = false;
    };
    this.#isAsked = true;
    this.#silent = 0;
    this.#taker.order({ do: "ping" }).then(answered, answered);
  }

  #wait(): void {
    this.#alarm.set(this.#clock.now() + PERIOD);
  }
}
