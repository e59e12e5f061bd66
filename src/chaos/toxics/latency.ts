import { ALARM_TOLERANCE, type Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { HoldingToxic } from "../holding-toxic.ts";
import { defineToxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { latency: AttributeSpec<number>; jitter: AttributeSpec<number> } = {
  latency: int("delay of everything that passes", { unit: "ms" }),
  jitter: int("the delay of each chunk differs by up to this much either way", { unit: "ms" }),
};

type LatencyAttributes = AttributesOf<typeof attributes>;

/** Enough for a gigabit at half a second: a delay must not become a limit of throughput. */
const CAPACITY = 64 * 1024 * 1024;

/**
 * Delays what passes, counted from the moment it arrived: chunks are on their way side by side, so that throughput
 * stays what it was. A chunk that draws a shorter delay than the one before waits for it: order is kept. Of each chunk only
 * its lot is kept, so that a change of latency or jitter holds for those that wait already.
 */
class Latency extends HoldingToxic<LatencyAttributes> {
  readonly #alarm: Alarm;

  constructor(site: ToxicSite, given: LatencyAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => this.#deliver());
  }

  override take(chunk: Buffer): void {
    this.hold(chunk, this.site.random.next());
    if (!this.#alarm.isSet && !this.isEmpty) this.#alarm.set(this.#due);
  }

  override update(given: LatencyAttributes): void {
    super.update(given);
    this.#deliver();
  }

  /** When the first chunk may go on: uniform within the jitter. */
  get #due(): number {
    const { latency, jitter } = this.attributes;
    const { arrived, lot } = this.first!;
    return arrived + Math.max(latency - jitter + lot * 2 * jitter, 0);
  }

  #deliver(): void {
    const until = this.site.now() + ALARM_TOLERANCE;
    while (!this.isEmpty && this.#due <= until) this.passFirst();
    if (this.isEmpty) this.#alarm.clear();
    else this.#alarm.set(this.#due);
  }
}

export const latency: ToxicType<typeof attributes> = defineToxic({
  name: "latency",
  about: "delays everything, with jitter; order is kept, throughput unaffected",
  attributes,
  links: ["bytes", "datagrams"],
  capacity: CAPACITY,
  create: (site, given) => new Latency(site, given),
});
