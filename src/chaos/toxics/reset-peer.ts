import type { Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { HoldingToxic } from "../holding-toxic.ts";
import { defineToxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { timeout: AttributeSpec<number> } = {
  timeout: int("how long after the first byte, or the end, the connection is reset", { unit: "ms" }),
};

type ResetPeerAttributes = AttributesOf<typeof attributes>;

/**
 * Resets the connection, both ways, when something comes. What comes until then waits rather than being dropped, so
 * that the connection survives whole if the toxic is taken away in time.
 */
class ResetPeer extends HoldingToxic<ResetPeerAttributes> {
  readonly #alarm: Alarm;
  /** When something came first; null before. */
  #startedAt: number | null = null;

  constructor(site: ToxicSite, given: ResetPeerAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => site.reset());
  }

  override take(chunk: Buffer): void {
    this.hold(chunk);
    this.#start();
  }

  override end(): void {
    this.holdEnd();
    this.#start();
  }

  override update(given: ResetPeerAttributes): void {
    super.update(given);
    if (this.#startedAt !== null) this.#wind(this.#startedAt);
  }

  #start(): void {
    if (this.#startedAt !== null) return;
    this.#startedAt = this.site.now();
    this.#wind(this.#startedAt);
  }

  #wind(since: number): void {
    const due = since + this.attributes.timeout;
    if (due > this.site.now()) this.#alarm.set(due);
    else this.site.reset();
  }
}

export const resetPeer: ToxicType<typeof attributes> = defineToxic({
  name: "reset_peer",
  about: "resets the connection when something comes, or a while later",
  attributes,
  links: ["bytes"],
  create: (site, given) => new ResetPeer(site, given),
});
