import { type AttributeSpec, type AttributesOf, float } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicType } from "../toxic.ts";

const attributes: { loss_rate: AttributeSpec<number>; correlation: AttributeSpec<number> } = {
  loss_rate: float("probability that a chunk or datagram is lost", { default: 0.1, maximum: 1 }),
  correlation: float("added to it for the one after a lost one, so that losses come in bursts", {
    maximum: 1,
  }),
};

type PacketLossAttributes = AttributesOf<typeof attributes>;

class PacketLoss extends Toxic<PacketLossAttributes> {
  #lostLast = false;

  override take(chunk: Buffer): void {
    const { loss_rate, correlation } = this.attributes;
    this.#lostLast = this.site.random.next() < loss_rate + (this.#lostLast ? correlation : 0);
    if (!this.#lostLast) this.pass(chunk);
  }
}

export const packetLoss: ToxicType<typeof attributes> = defineToxic({
  name: "packet_loss",
  about: "loses chunks or datagrams at random",
  attributes,
  links: ["bytes", "datagrams"],
  create: (site, given) => new PacketLoss(site, given),
});
