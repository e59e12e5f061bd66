import { type AttributeSpec, type AttributesOf, float } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicType } from "../toxic.ts";

const attributes: { rate: AttributeSpec<number> } = {
  rate: float("share of datagrams that arrive twice", { default: 0.1, maximum: 1 }),
};

type DuplicateAttributes = AttributesOf<typeof attributes>;

class Duplicate extends Toxic<DuplicateAttributes> {
  override take(chunk: Buffer): void {
    // Drawn and copied before the first is passed on: the chunk belongs to its receiver afterwards.
    const twin = this.site.random.next() < this.attributes.rate ? Buffer.from(chunk) : null;
    this.pass(chunk);
    if (twin !== null) this.pass(twin);
  }
}

export const duplicate: ToxicType<typeof attributes> = defineToxic({
  name: "duplicate",
  about: "delivers datagrams twice",
  attributes,
  links: ["datagrams"],
  create: (site, given) => new Duplicate(site, given),
});
