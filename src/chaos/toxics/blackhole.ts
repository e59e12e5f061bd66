import { defineToxic, Toxic, type ToxicType } from "../toxic.ts";

/**
 * Swallows everything. A client that has ended, most likely because it waited long enough, is let go; what the server
 * ends reaches the client only then.
 */
class Blackhole extends Toxic<Record<never, never>> {
  #hasEnded = false;

  override take(): void {}

  override end(): void {
    if (this.site.direction === "upstream") this.next.end();
    else this.#hasEnded = true;
  }

  override abandon(): void {
    if (this.#hasEnded) this.next.end();
  }

  override remove(): void {
    this.abandon();
  }
}

export const blackhole: ToxicType<Record<never, never>> = defineToxic({
  name: "blackhole",
  about: "accepts connections, swallows everything and never answers",
  attributes: {},
  links: ["bytes", "datagrams"],
  create: (site, given) => new Blackhole(site, given),
});
