import { type AttributeSpec, type AttributesOf, float } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { rate: AttributeSpec<number>; bit_rate: AttributeSpec<number> } = {
  rate: float("share of bytes in which one bit is flipped", { default: 0.001, maximum: 1 }),
  bit_rate: float("share of bits that are flipped; counts instead of `rate` when it is above 0", {
    maximum: 1,
  }),
};

type CorruptAttributes = AttributesOf<typeof attributes>;

/**
 * Flips bits. Instead of drawing for every bit or byte, the distance to the next one is drawn, which goes on from chunk to
 * chunk: it costs what is flipped, not what passes, and doesn't depend on how the bytes are cut.
 */
class Corrupt extends Toxic<CorruptAttributes> {
  /** Bits or bytes that pass before the next one that is hit. */
  #gap: number;

  constructor(site: ToxicSite, given: CorruptAttributes) {
    super(site, given);
    this.#gap = this.#drawGap();
  }

  override take(chunk: Buffer): void {
    const isBitwise = this.attributes.bit_rate > 0;
    const length = isBitwise ? chunk.length * 8 : chunk.length;
    let at = this.#gap;
    for (; at < length; at += 1 + this.#drawGap()) {
      const bit = isBitwise ? at : at * 8 + Math.floor(this.site.random.next() * 8);
      chunk[bit >> 3]! ^= 1 << (bit & 7);
    }
    this.#gap = at - length;
    this.pass(chunk);
  }

  override update(given: CorruptAttributes): void {
    super.update(given);
    this.#gap = this.#drawGap();
  }

  /** Geometrically distributed. */
  #drawGap(): number {
    const { rate, bit_rate } = this.attributes;
    const share = bit_rate > 0 ? bit_rate : rate;
    if (share >= 1) return 0;
    if (share <= 0) return Number.POSITIVE_INFINITY;
    return Math.floor(Math.log1p(-this.site.random.next()) / Math.log1p(-share));
  }
}

export const corrupt: ToxicType<typeof attributes> = defineToxic({
  name: "corrupt",
  about: "flips bits at random",
  attributes,
  links: ["bytes", "datagrams"],
  create: (site, given) => new Corrupt(site, given),
});
