import { type GroupMemory, GroupWord, Out, ServerNumber, ServerWord } from "./group-memory.ts";
import type { OutlierSettings } from "./group-settings.ts";
import { mostEjected } from "./outlier-detector.ts";

/** The control side of ejections: threads begin them, the keeper alone ends them. */
export class Ejections {
  readonly #settings: OutlierSettings;
  readonly #memory: GroupMemory;

  constructor(settings: OutlierSettings, memory: GroupMemory) {
    this.#settings = settings;
    this.#memory = memory;
  }

  isOut(slot: number): boolean {
    return (this.#memory.of(slot, ServerWord.Out) & Out.Ejected) !== 0;
  }

  isOver(slot: number, now: number): boolean {
    return this.isOut(slot) && now >= this.#memory.number(slot, ServerNumber.EjectedUntil);
  }

  /** @returns whether it was ejected until now */
  end(slot: number, now: number): boolean {
    const memory = this.#memory;
    if (!this.isOut(slot)) return false;
    memory.set(slot, ServerWord.Failures, 0);
    memory.setNumber(slot, ServerNumber.WindowStart, 0);
    memory.setNumber(slot, ServerNumber.GoodSince, now);
    if (!memory.bringBack(slot, Out.Ejected)) return false;
    memory.add(GroupWord.Ejected, -1);
    return true;
  }

  /** A server that was good for as long as a first ejection lasts has one ejection less to its name. */
  forgive(slot: number, now: number): void {
    const memory = this.#memory;
    if (memory.of(slot, ServerWord.Ejections) === 0 || this.isOut(slot)) return;
    const next = memory.number(slot, ServerNumber.GoodSince) + this.#settings.ejection;
    if (now < next) return;
    memory.setNumber(slot, ServerNumber.GoodSince, next);
    memory.addTo(slot, ServerWord.Ejections, -1);
  }

  /** Of these, the ones to bring back because the group has fewer servers than when they were ejected. */
  tooMany(slots: readonly number[]): number[] {
    const ejected = slots.filter((slot) => this.isOut(slot));
    const until = (slot: number): number => this.#memory.number(slot, ServerNumber.EjectedUntil);
    const surplus =
      ejected.length - mostEjected(this.#memory.get(GroupWord.Servers), this.#settings.mostEjected);
    if (surplus <= 0) return [];
    return ejected.sort((a, b) => until(a) - until(b)).slice(0, surplus);
  }

  /** Why it was ejected last. */
  reason(slot: number): string {
    const cause = this.#memory.of(slot, ServerWord.Cause);
    if (cause < 0) return `${-cause} % of requests failed`;
    return cause === 1 ? "a request failed" : `${cause} failures in a row`;
  }
}
