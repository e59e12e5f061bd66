import type { Alarm } from "../../base/alarms.ts";
import { type AttributeSpec, type AttributesOf, bool, int } from "../attributes.ts";
import { DEFAULT_CAPACITY } from "../holder.ts";
import { HoldingToxic } from "../holding-toxic.ts";
import { defineToxic, type ToxicSite, type ToxicType } from "../toxic.ts";

const attributes: {
  rate: AttributeSpec<number>;
  bytes_per_second: AttributeSpec<number>;
  shared: AttributeSpec<boolean>;
} = {
  rate: int("what may pass, in units of 1000 bytes; 0 lets nothing pass", { unit: "KB/s" }),
  bytes_per_second: int("a finer rate, which counts instead of `rate` when it is above 0", {
    unit: "B/s",
    isExtra: true,
  }),
  shared: bool("one rate for all connections of the proxy together (in each thread), not for each", {
    isExtra: true,
  }),
};

type BandwidthAttributes = AttributesOf<typeof attributes>;

/** Milliseconds' worth that pass at a time: short enough to be smooth, long enough not to wake up for every packet. */
const QUANTUM = 10;
/** Milliseconds' worth that are read ahead, so that the line doesn't run dry while its sender is woken. */
const AHEAD = 250;
const LARGEST_CAPACITY = 16 * 1024 * 1024;

/** A line that carries one byte after the other: who wants to send books the time from where it is free. */
class Line {
  /** Bytes per millisecond. */
  rate: number;
  /** From when on nothing is booked. */
  free = 0;

  constructor(rate: number) {
    this.rate = rate;
  }

  /** A new rate; what was booked at the old one has to be booked anew. */
  retune(rate: number, now: number): void {
    if (this.rate === rate) return;
    this.rate = rate;
    this.free = now;
  }
}

/**
 * A token bucket without slack: a piece passes at the moment when its last byte would have crossed the line. These
 * moments follow from each other and not from when an alarm really rang, so that a late one is made up for and the average stays
 * exact. Each connection has one piece booked at a time, so that those on a shared line take turns.
 *
 *     line:  ──| piece of A |─| piece of B |─| piece of A |──▶ free
 *              ▲ from       ▲ due
 */
class Bandwidth extends HoldingToxic<BandwidthAttributes> {
  readonly #alarm: Alarm;
  #line: Line;
  #isBooked = false;
  /** Bytes of the piece that is booked, and the time that its bytes take to cross. */
  #size = 0;
  #from = 0;
  #due = 0;
  /** Bytes that had crossed when the piece was booked. */
  #crossed = 0;

  constructor(site: ToxicSite, given: BandwidthAttributes) {
    super(site, given);
    this.#alarm = site.alarm(() => this.#arrive());
    this.#line = this.#findLine();
  }

  override take(chunk: Buffer): void {
    this.hold(chunk);
    if (!this.#isBooked) this.#book(this.site.now());
  }

  override update(given: BandwidthAttributes): void {
    const before = this.attributes;
    super.update(given);
    if (rateOf(before) === rateOf(given) && before.shared === given.shared) return;
    const now = this.site.now();
    this.#crossed = this.#isBooked ? this.#crossedAt(now) : this.#crossed;
    this.#isBooked = false;
    this.#alarm.clear();
    this.#line = this.#findLine();
    this.#book(now);
  }

  #findLine(): Line {
    const rate = rateOf(this.attributes);
    this.site.setCapacity(Math.min(Math.max(rate * AHEAD, DEFAULT_CAPACITY), LARGEST_CAPACITY));
    if (!this.attributes.shared) return new Line(rate);
    const line = this.site.shared(() => new Line(rate));
    line.retune(rate, this.site.now());
    return line;
  }

  /** Books the next piece, to cross from `earliest` on or when the line is free. */
  #book(earliest: number): void {
    const { first } = this;
    const { rate } = this.#line;
    if (first === undefined || rate === 0) return;
    this.#isBooked = true;
    this.#from = Math.max(this.#line.free, earliest);
    this.#size = this.#pieceOf(first.chunk.length - first.passed);
    this.#crossed = Math.min(this.#crossed, this.#size);
    this.#due = this.#from + (this.#size - this.#crossed) / rate;
    this.#line.free = this.#due;
    this.#alarm.set(this.#due);
  }

  /** What is overdue goes at once, unless others wait for the line too. Datagrams are never cut. */
  #pieceOf(length: number): number {
    if (this.site.kind === "datagrams") return length;
    const late = this.attributes.shared ? 0 : this.site.now() - this.#from;
    const size = Math.floor(this.#line.rate * Math.max(QUANTUM, late));
    return Math.min(length, Math.max(size, 1));
  }

  #crossedAt(now: number): number {
    const duration = this.#due - this.#from;
    const share = duration > 0 ? Math.min(Math.max((now - this.#from) / duration, 0), 1) : 1;
    return this.#crossed + (this.#size - this.#crossed) * share;
  }

  #arrive(): void {
    this.#crossed = 0;
    this.passFirst(this.#size);
    this.#isBooked = false;
    // Who waited meanwhile goes on from there, however late it is now.
    this.#book(this.#due);
  }
}

/** Bytes per millisecond. */
function rateOf({ rate, bytes_per_second }: BandwidthAttributes): number {
  return bytes_per_second > 0 ? bytes_per_second / 1000 : rate;
}

export const bandwidth: ToxicType<typeof attributes> = defineToxic({
  name: "bandwidth",
  about: "lets only so many bytes a second pass",
  attributes,
  links: ["bytes", "datagrams"],
  create: (site, given) => new Bandwidth(site, given),
});
