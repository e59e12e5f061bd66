import { ALARM_TOLERANCE, type Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { HoldingToxic } from "../holding-toxic.ts";
import { defineToxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: {
  average_size: AttributeSpec<number>;
  size_variation: AttributeSpec<number>;
  delay: AttributeSpec<number>;
} = {
  average_size: int("size of a slice; 0 doesn't slice", { unit: "bytes" }),
  size_variation: int("a slice is larger or smaller by up to this much", { unit: "bytes" }),
  delay: int("time from one slice to the next", { unit: "µs" }),
};

type SlicerAttributes = AttributesOf<typeof attributes>;

/** Slices that leave in one go: a slicer of single bytes must not keep others waiting. */
const BATCH = 256;

/** Cuts what passes into slices, with a time between them. */
class Slicer extends HoldingToxic<SlicerAttributes> {
  readonly #alarm: Alarm;
  /** When the last slice left, had the alarm been in time. */
  #left = Number.NEGATIVE_INFINITY;
  #isSlicing = false;

  constructor(site: ToxicSite, given: SlicerAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => this.#slice());
  }

  override take(chunk: Buffer): void {
    const wasEmpty = this.isEmpty;
    this.hold(chunk);
    if (wasEmpty && !this.#isSlicing) this.#slice();
  }

  override update(given: SlicerAttributes): void {
    super.update(given);
    if (!this.#isSlicing) this.#slice();
  }

  #slice(): void {
    this.#isSlicing = true;
    this.#alarm.clear();
    const now = this.site.now();
    for (let count = 0; !this.isEmpty; count++) {
      const due = Math.max(this.#left + this.#delay, this.first!.arrived);
      if (due > now + ALARM_TOLERANCE || count === BATCH) {
        this.#alarm.set(Math.max(due, now));
        break;
      }
      this.#left = due;
      this.passFirst(this.#size());
    }
    this.#isSlicing = false;
  }

  /** Milliseconds. */
  get #delay(): number {
    const { average_size, delay } = this.attributes;
    return average_size === 0 ? 0 : delay / 1000;
  }

  #size(): number {
    const { average_size, size_variation } = this.attributes;
    if (average_size === 0) return Number.POSITIVE_INFINITY;
    const off = Math.floor(this.site.random.next() * (2 * size_variation + 1)) - size_variation;
    return Math.max(average_size + off, 1);
  }
}

export const slicer: ToxicType<typeof attributes> = defineToxic({
  name: "slicer",
  about: "cuts what passes into small pieces, with a time between them",
  attributes,
  links: ["bytes"],
  create: (site, given) => new Slicer(site, given),
});
