import type { Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, int } from "../attributes.ts";
import { defineToxic, Toxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: { latency: AttributeSpec<number>; jitter: AttributeSpec<number> } = {
  latency: int("delay of everything that passes", { unit: "ms" }),
  jitter: int("the delay of each chunk differs by up to this much either way", { unit: "ms" }),
};

type LatencyAttributes = AttributesOf<typeof attributes>;

/** Enough for a gigabit at half a second: a delay must not become a limit of throughput. */
const CAPACITY = 64 * 1024 * 1024;

/** A chunk on its way; null is the sender's end. */
interface Delayed {
  readonly chunk: Buffer | null;
  readonly due: number;
}

/**
 * Delays what passes, counted from the moment it arrived: chunks are on their way side by side, so that throughput
 * stays what it was. A chunk that draws a shorter delay than the one before waits for it: order is kept.
 */
class Latency extends Toxic<LatencyAttributes> {
  readonly #alarm: Alarm;
  #queue: Delayed[] = [];

  constructor(site: ToxicSite, given: LatencyAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => this.#deliver());
  }

  override take(chunk: Buffer): void {
    this.#queue.push({ chunk, due: this.site.now() + this.#delay() });
    this.site.hold(chunk.length);
    this.#wind();
  }

  /** The end isn't delayed itself; it follows what is. */
  override end(): void {
    if (this.#queue.length === 0) this.next.end();
    else this.#queue.push({ chunk: null, due: 0 });
  }

  /** Uniform within the jitter. */
  #delay(): number {
    const { latency, jitter } = this.attributes;
    if (jitter === 0) return latency;
    return Math.max(latency - jitter + this.site.random.next() * 2 * jitter, 0);
  }

  #wind(): void {
    const first = this.#queue[0];
    if (first !== undefined && !this.#alarm.isSet) this.#alarm.set(first.due);
  }

  #deliver(): void {
    const until = this.site.now() + ALMOST;
    let sent = 0;
    while (sent < this.#queue.length && this.#queue[sent]!.due <= until) this.#send(this.#queue[sent++]!);
    this.#queue.splice(0, sent);
    this.#wind();
  }

  #send({ chunk }: Delayed): void {
    if (chunk === null) {
      this.next.end();
      return;
    }
    this.site.release(chunk.length);
    this.pass(chunk);
  }

  override remove(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const delayed of queue) this.#send(delayed);
  }

  override close(): void {
    this.#queue = [];
  }
}

/** Milliseconds that are not worth an alarm of their own. */
const ALMOST = 0.25;

export const latency: ToxicType<typeof attributes> = defineToxic({
  name: "latency",
  about: "delays everything, with jitter; order is kept, throughput unaffected",
  attributes,
  links: ["bytes", "datagrams"],
  capacity: CAPACITY,
  create: (site, given) => new Latency(site, given),
});
