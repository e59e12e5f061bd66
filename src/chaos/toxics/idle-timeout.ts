import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { IdleWatch } from "../idle-watch.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { timeout: AttributeSpec<number> } = {
  timeout: int("closes the connection when nothing has come for that long; 0 never does", { unit: "ms" }),
};

type IdleTimeoutAttributes = AttributesOf<typeof attributes>;

/** Lets everything pass, and closes the connection when nothing comes. */
class IdleTimeout extends Toxic<IdleTimeoutAttributes> {
  readonly #watch: IdleWatch;

  constructor(site: ToxicSite, given: IdleTimeoutAttributes) {
    super(site, given);
    this.#watch = new IdleWatch(site, given.timeout);
  }

  override take(chunk: Buffer): void {
    this.#watch.touch();
    this.pass(chunk);
  }

  /** Of a sender that has ended nothing more is expected. */
  override end(): void {
    this.#watch.stop();
    this.next.end();
  }

  override update(given: IdleTimeoutAttributes): void {
    super.update(given);
    this.#watch.changeTo(given.timeout);
  }
}

export const idleTimeout: ToxicType<typeof attributes> = defineToxic({
  name: "idle_timeout",
  about: "closes a connection on which nothing has come for a while",
  attributes,
  links: ["bytes", "datagrams"],
  create: (site, given) => new IdleTimeout(site, given),
});
