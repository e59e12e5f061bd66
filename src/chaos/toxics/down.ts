import { type AttributeSpec, type AttributesOf, bool } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { keep: AttributeSpec<boolean> } = {
  keep: bool("leaves connections that stand alone"),
};

type DownAttributes = AttributesOf<typeof attributes>;

/** On a connection that stood when the toxic came. */
class Down extends Toxic<DownAttributes> {
  constructor(site: ToxicSite, given: DownAttributes) {
    super(site, given);
    this.#act();
  }

  override update(given: DownAttributes): void {
    super.update(given);
    this.#act();
  }

  #act(): void {
    if (!this.attributes.keep) this.site.reset();
  }

  override take(chunk: Buffer): void {
    this.pass(chunk);
  }
}

export const down: ToxicType<typeof attributes> = defineToxic({
  name: "down",
  about: "refuses new connections and resets those that stand",
  attributes,
  links: ["bytes", "datagrams"],
  create: (site, given) => new Down(site, given),
  admit: () => ({ refuse: true, delay: 0 }),
});
