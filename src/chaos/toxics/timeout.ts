import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { IdleWatch } from "../idle-watch.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { timeout: AttributeSpec<number> } = {
  timeout: int("closes the connection when nothing has come for that long; 0 never does", { unit: "ms" }),
};

type TimeoutAttributes = AttributesOf<typeof attributes>;

/** Lets nothing pass, and closes the connection after a while in which nothing came. */
class Timeout extends Toxic<TimeoutAttributes> {
  readonly #watch: IdleWatch;

  constructor(site: ToxicSite, given: TimeoutAttributes) {
    super(site, given);
    this.#watch = new IdleWatch(site, given.timeout);
  }

  override take(): void {
    this.#watch.touch();
  }

  override end(): void {
    this.#watch.stop();
    this.next.end();
  }

  override update(given: TimeoutAttributes): void {
    super.update(given);
    this.#watch.changeTo(given.timeout);
  }
}

export const timeout: ToxicType<typeof attributes> = defineToxic({
  name: "timeout",
  about: "drops everything, and closes the connection after a while",
  attributes,
  links: ["bytes", "datagrams"],
  // What it dropped is missing: to go on in the middle would do more harm than to begin anew.
  closesWhenRemoved: true,
  create: (site, given) => new Timeout(site, given),
});
