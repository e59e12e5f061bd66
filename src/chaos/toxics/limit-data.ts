import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { bytes: AttributeSpec<number> } = {
  bytes: int("what passes before the connection is closed", { unit: "bytes" }),
};

type LimitDataAttributes = AttributesOf<typeof attributes>;

/** Closes the connection when so many bytes have passed. They are counted on through every change. */
class LimitData extends Toxic<LimitDataAttributes> {
  readonly #count: { passed: number };

  constructor(site: ToxicSite, given: LimitDataAttributes) {
    super(site, given);
    this.#count = site.kept(() => ({ passed: 0 }));
  }

  override take(chunk: Buffer): void {
    const room = Math.max(this.attributes.bytes - this.#count.passed, 0);
    const size = this.#fitting(chunk.length, room);
    this.#count.passed += size;
    if (size > 0) this.pass(size === chunk.length ? chunk : chunk.subarray(0, size));
    if (size < chunk.length || size === room) this.site.close();
  }

  /** Datagrams are never cut. */
  #fitting(length: number, room: number): number {
    if (length <= room) return length;
    return this.site.kind === "datagrams" ? 0 : room;
  }
}

export const limitData: ToxicType<typeof attributes> = defineToxic({
  name: "limit_data",
  about: "closes the connection when so many bytes have passed",
  attributes,
  links: ["bytes", "datagrams"],
  create: (site, given) => new LimitData(site, given),
});
