import { Alarm, type AlarmClock, idleAlarms } from "../base/alarms.ts";
import { type CompositionParts, discard } from "./composition.ts";

/** Milliseconds that requests may still choose servers as they could when they began, and wait for them, and repeat. */
const LATE_CHOICES = 60_000;
/** However fast something else is run again and again: what is older than so many is let go at once. */
const MOST = 16;

/** What a thread has run before, as long as requests that are under way may want something of it. */
export class FormerParts {
  readonly #clock: AlarmClock;
  /** Those that aren't let go yet, oldest first. */
  readonly #alarms: Alarm[] = [];

  constructor(clock: AlarmClock = idleAlarms) {
    this.#clock = clock;
  }

  /** Of `before`, nothing but this is held on to: services go with the last request that they have. */
  add(before: CompositionParts, after: CompositionParts): void {
    const [parts, others] = [partsOf(before), partsOf(after)];
    const alarm = new Alarm(this.#clock, () => {
      this.#alarms.splice(this.#alarms.indexOf(alarm), 1);
      void discard(parts, others);
    });
    if (this.#alarms.length === MOST) this.#letGo(this.#alarms[0]!);
    this.#alarms.push(alarm);
    alarm.set(this.#clock.now() + LATE_CHOICES);
  }

  /** Nothing is under way any more. */
  close(): void {
    for (const alarm of [...this.#alarms]) this.#letGo(alarm);
  }

  #letGo(alarm: Alarm): void {
    alarm.clear();
    alarm.ring();
  }
}

function partsOf({ groups, limits, caches, connector, filters }: CompositionParts): CompositionParts {
  return { groups, limits, caches, connector, filters };
}
