import { ALARM_TOLERANCE, type Alarm } from "../base/alarms.ts";
import type { ToxicSite } from "./toxic.ts";

/** Closes a connection on which nothing has come for a while. */
export class IdleWatch {
  readonly #site: ToxicSite;
  readonly #alarm: Alarm;
  #timeout: number;
  #touched: number;

  /** @param timeout milliseconds, 0 for ever */
  constructor(site: ToxicSite, timeout: number) {
    this.#site = site;
    this.#timeout = timeout;
    this.#touched = site.now();
    this.#alarm = site.alarm(() => this.#look());
    this.#wind();
  }

  /** Something came. The alarm stays where it is: to move it for each chunk would cost more than to look once in vain. */
  touch(): void {
    this.#touched = this.#site.now();
  }

  /** Counts from when something came last. */
  changeTo(milliseconds: number): void {
    if (this.#timeout === Number.POSITIVE_INFINITY) return;
    this.#timeout = milliseconds;
    this.#wind();
  }

  /** For good. */
  stop(): void {
    this.#timeout = Number.POSITIVE_INFINITY;
    this.#alarm.clear();
  }

  #wind(): void {
    if (this.#timeout > 0) this.#alarm.set(this.#touched + this.#timeout);
    else this.#alarm.clear();
  }

  #look(): void {
    if (this.#touched + this.#timeout > this.#site.now() + ALARM_TOLERANCE) this.#wind();
    else this.#site.close();
  }
}
