import { Alarm, type AlarmClock } from "../../base/alarms.ts";

/** Milliseconds between two signs of life that the service manager wants at most; null: it wants none of us. */
export function watchdogInterval(environment: NodeJS.ProcessEnv, pid: number): number | null {
  const { WATCHDOG_USEC: time, WATCHDOG_PID: whose } = environment;
  // A process that we start to take our place has another number, and is to be watched, too.
  delete environment["WATCHDOG_PID"];
  if (whose !== undefined && Number(whose) !== pid) return null;
  const interval = Number(time) / 1000;
  return interval >= 1 ? interval : null;
}

/**
 * Gives signs of life twice in each interval, for as long as all threads answer: this one, whose clock rings, and those of
 * the data plane, which are asked. While one of them doesn't answer there is no sign, and the manager restarts the service.
 */
export class Watchdog {
  readonly #alarm: Alarm;
  #isAsking = false;

  /**
   * @param interval milliseconds
   * @param ask kept when all threads have answered
   */
  constructor(clock: AlarmClock, interval: number, ask: () => Promise<unknown>, onAlive: () => void) {
    const period = interval / 2;
    this.#alarm = new Alarm(clock, () => {
      this.#alarm.set(clock.now() + period);
      void this.#check(ask, onAlive);
    });
    this.#alarm.set(clock.now());
  }

  async #check(ask: () => Promise<unknown>, onAlive: () => void): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      await ask();
      onAlive();
    } catch {
      // No answer is no sign of life; they are asked again the next time.
    } finally {
      this.#isAsking = false;
    }
  }

  stop(): void {
    this.#alarm.clear();
  }
}
