import { defineToxic, Toxic, type ToxicType } from "../toxic.ts";

class Noop extends Toxic<Record<never, never>> {
  override take(chunk: Buffer): void {
    this.pass(chunk);
  }
}

export const noop: ToxicType<Record<never, never>> = defineToxic({
  name: "noop",
  about: "does nothing",
  attributes: {},
  links: ["bytes", "datagrams"],
  create: (site, given) => new Noop(site, given),
});
