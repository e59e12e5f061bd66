import type { Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { delay: AttributeSpec<number> } = {
  delay: int("how long the end is kept back", { unit: "ms" }),
};

type SlowCloseAttributes = AttributesOf<typeof attributes>;

/** Lets bytes pass and keeps the end back. */
class SlowClose extends Toxic<SlowCloseAttributes> {
  readonly #alarm: Alarm;
  /** When the sender ended; null before. */
  #endedAt: number | null = null;

  constructor(site: ToxicSite, given: SlowCloseAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => this.next.end());
  }

  override take(chunk: Buffer): void {
    this.pass(chunk);
  }

  override end(): void {
    this.#endedAt ??= this.site.now();
    this.#wind();
  }

  override update(given: SlowCloseAttributes): void {
    super.update(given);
    this.#wind();
  }

  #wind(): void {
    if (this.#endedAt === null) return;
    const due = this.#endedAt + this.attributes.delay;
    if (due > this.site.now()) this.#alarm.set(due);
    else this.next.end();
  }

  override remove(): void {
    if (this.#endedAt !== null) this.next.end();
  }
}

export const slowClose: ToxicType<typeof attributes> = defineToxic({
  name: "slow_close",
  about: "closes a connection later than its sender does",
  attributes,
  links: ["bytes"],
  create: (site, given) => new SlowClose(site, given),
});
