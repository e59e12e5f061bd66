/**
 * A toxic of one's own: a line that stops for a while after every so many bytes.
 *
 *     sluice tcp 6380 127.0.0.1:6379 --toxics examples/own-toxic.ts --toxic "hiccup every=1000 pause=200"
 *
 * It is one more kind of toxic then: for the menu, the API, the command line and scenarios.
 */
import { defineToxic, HoldingToxic, int } from "sluice";

class Hiccup extends HoldingToxic<{ readonly every: number; readonly pause: number }> {
  readonly #alarm = this.site.alarm(() => this.#goOn());
  /** Bytes that pass before the next stop. */
  #left = this.attributes.every;

  // What comes waits behind what came before; `hold` counts it, so that a sender that is too fast is stopped.
  override take(chunk: Buffer): void {
    this.hold(chunk);
    if (!this.#alarm.isSet) this.#goOn();
  }

  #goOn(): void {
    for (let { first } = this; first !== undefined; first = this.first) {
      if (this.#left === 0) {
        this.#left = this.attributes.every;
        this.#alarm.set(this.site.now() + this.attributes.pause);
        return;
      }
      const size = Math.min(first.chunk.length - first.passed, this.#left);
      this.#left -= size;
      this.passFirst(size);
    }
  }
}

export default defineToxic({
  name: "hiccup",
  about: "stops for a while after every so many bytes",
  attributes: {
    every: int("what passes between two stops", { unit: "bytes", default: 1000, minimum: 1 }),
    pause: int("how long it stops", { unit: "ms", default: 100 }),
  },
  links: ["bytes"],
  create: (site, attributes) => new Hiccup(site, attributes),
});
