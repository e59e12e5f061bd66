import { ALARM_TOLERANCE, type Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, float, int } from "../attributes.ts";
import { HoldingToxic } from "../holding-toxic.ts";
import { defineToxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: {
  rate: AttributeSpec<number>;
  distance: AttributeSpec<number>;
  wait: AttributeSpec<number>;
} = {
  rate: float("share of datagrams that are overtaken", { default: 0.1, maximum: 1 }),
  distance: int("how many datagrams overtake it", { default: 1, minimum: 1 }),
  wait: int("how long a datagram waits for others to overtake it", { unit: "ms", default: 100 }),
};

type ReorderAttributes = AttributesOf<typeof attributes>;

/** Keeps datagrams back until others have overtaken them, or none came for a while. */
class Reorder extends HoldingToxic<ReorderAttributes> {
  readonly #alarm: Alarm;
  /** Datagrams that were not kept back. */
  #overtakers = 0;

  constructor(site: ToxicSite, given: ReorderAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => this.#look());
  }

  override take(chunk: Buffer): void {
    if (this.site.random.next() < this.attributes.rate) this.hold(chunk, this.#overtakers);
    else {
      this.#overtakers++;
      this.pass(chunk);
    }
    this.#look();
  }

  override update(given: ReorderAttributes): void {
    super.update(given);
    this.#look();
  }

  /** Nobody is left to overtake those that wait. */
  override end(): void {
    this.remove();
    super.end();
  }

  /** Lets those go that were overtaken or have waited long enough. */
  #look(): void {
    const { distance, wait } = this.attributes;
    const until = this.site.now() + ALARM_TOLERANCE;
    for (let { first } = this; first !== undefined; first = this.first) {
      if (this.#overtakers - first.lot < distance && first.arrived + wait > until) break;
      this.passFirst();
    }
    const { first } = this;
    if (first === undefined) this.#alarm.clear();
    else if (!this.#alarm.isSet || this.#alarm.at !== first.arrived + wait)
      this.#alarm.set(first.arrived + wait);
  }
}

export const reorder: ToxicType<typeof attributes> = defineToxic({
  name: "reorder",
  about: "lets datagrams overtake others",
  attributes,
  links: ["datagrams"],
  create: (site, given) => new Reorder(site, given),
});
