import { EventEmitter, once } from "node:events";
import { ManualAlarmClock } from "../../src/base/alarms.ts";
import { createDiscovery } from "../../src/upstream/discovery/create-discovery.ts";
import type { Discovery } from "../../src/upstream/discovery/discovery.ts";
import type { DiscoverySettings } from "../../src/upstream/group-settings.ts";
import { patience, withDeadline } from "./deadline.ts";
import { HeardNews } from "./heard-news.ts";

/** A discovery on a clock that stands still, without jitter, with what it told and how often it looked. */
export class DiscoveryRig implements Disposable {
  readonly heard: HeardNews = new HeardNews();
  readonly clock: ManualAlarmClock = new ManualAlarmClock();
  readonly discovery: Discovery;
  /** Rounds that have ended. */
  rounds = 0;
  readonly #events: EventEmitter = new EventEmitter();

  constructor(settings: DiscoverySettings) {
    const next = (): number => this.#onDraw();
    this.discovery = createDiscovery(settings, { clock: this.clock, random: { next } });
  }

  async start(): Promise<this> {
    await this.discovery.start(this.heard);
    return this;
  }

  /** Resolves when so many rounds have ended, and the next one has its time. */
  async untilRounds(count: number): Promise<void> {
    const what = (): string => `round ${count}; so far: ${this.rounds}`;
    while (this.rounds < count) await withDeadline(once(this.#events, "round"), patience, what);
    await new Promise(setImmediate);
  }

  /** Lets the time pass in which a new round begins, and resolves when that has ended. */
  async pass(milliseconds: number): Promise<void> {
    this.clock.advance(milliseconds);
    await this.untilRounds(this.rounds + 1);
  }

  [Symbol.dispose](): void {
    this.discovery.stop();
  }

  /** The pause after a round is the only thing that chance has a part in. */
  #onDraw(): number {
    this.rounds++;
    this.#events.emit("round");
    return 0;
  }
}
