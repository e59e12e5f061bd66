import { type Alarm, ManualAlarmClock } from "../../src/base/alarms.ts";
import type { Attributes } from "../../src/chaos/attributes.ts";
import { Faults, type FaultyConnection } from "../../src/chaos/faults.ts";
import type { Link, LinkPort } from "../../src/chaos/link.ts";
import type { ToxicRegistry } from "../../src/chaos/registry.ts";
import type { Direction, LinkKind, ToxicSettings } from "../../src/chaos/toxic.ts";
import { createRegistry } from "../../src/chaos/toxics/index.ts";

/** A manual clock that knows which alarms are set on it. */
export class WatchedClock extends ManualAlarmClock {
  readonly #seen = new Set<Alarm>();

  override add(alarm: Alarm): void {
    this.#seen.add(alarm);
    super.add(alarm);
  }

  /** How many alarms are still to ring. */
  get pending(): number {
    return [...this.#seen].filter(({ isSet }) => isSet).length;
  }
}

/** A clock on a busy machine: alarms ring only at every so many milliseconds, and then late. */
export class LateClock extends WatchedClock {
  readonly #every: number;

  constructor(every: number) {
    super();
    this.#every = every;
  }

  override add(alarm: Alarm): void {
    alarm.at = Math.ceil(alarm.at / this.#every) * this.#every;
    super.add(alarm);
  }
}

/** The end of a link: writes down what comes, and when. */
export class PortRecorder implements LinkPort {
  readonly chunks: Buffer[] = [];
  /** When each chunk came. */
  readonly times: number[] = [];
  /** What happened beside chunks, in order. */
  readonly events: string[] = [];
  endedAt: number | null = null;
  isFull = false;
  /** Called with each chunk, after it was written down. */
  onChunk: (() => void) | null = null;
  /** Called when there is room again. */
  onRoomAgain: (() => void) | null = null;
  readonly #clock: ManualAlarmClock;
  /** Set once the connection is open. */
  connection: FaultyConnection | null = null;

  constructor(clock: ManualAlarmClock) {
    this.#clock = clock;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString("latin1");
  }

  /** Bytes that had come by then. */
  receivedBy(time: number): number {
    return this.chunks.reduce((sum, { length }, i) => (this.times[i]! <= time ? sum + length : sum), 0);
  }

  deliver(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.times.push(this.#clock.now());
    this.onChunk?.();
  }

  deliverEnd(): void {
    this.endedAt = this.#clock.now();
    this.events.push("end");
  }

  onFull(): void {
    this.isFull = true;
    this.events.push("full");
  }

  onRoom(): void {
    this.isFull = false;
    this.events.push("room");
    this.onRoomAgain?.();
  }

  /** What whoever owns a connection does. */
  close(toxic: string): void {
    this.events.push(`closed by ${toxic}`);
    this.connection?.close();
  }

  reset(toxic: string): void {
    this.events.push(`reset by ${toxic}`);
    this.connection?.close();
  }
}

/** One connection of a rig. */
export class RigConnection {
  readonly upstream: PortRecorder;
  readonly downstream: PortRecorder;
  readonly links: FaultyConnection;

  constructor(faults: Faults, clock: ManualAlarmClock, kind: LinkKind) {
    this.upstream = new PortRecorder(clock);
    this.downstream = new PortRecorder(clock);
    this.links = faults.open(this, kind);
    this.upstream.connection = this.links;
    this.downstream.connection = this.links;
  }

  link(direction: Direction = "downstream"): Link {
    return this.links[direction];
  }

  /** Pushes whenever there is room, in chunks of `size`, until `total` bytes are sent. */
  saturate(size = 16_384, total: number = Number.POSITIVE_INFINITY): void {
    const chunk = Buffer.alloc(size, "x");
    let left = total;
    const fill = (): void => {
      for (; left > 0 && !this.downstream.isFull; left -= size)
        this.push(chunk.subarray(0, Math.min(size, left)));
    };
    this.downstream.onRoomAgain = fill;
    fill();
  }

  push(bytes: Uint8Array | string, direction: Direction = "downstream"): void {
    const chunk = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : Buffer.from(bytes);
    this.links[direction].push(chunk, 0, chunk.length);
    // Borrowed: whoever keeps it must have copied it.
    chunk.fill(0);
  }

  end(direction: Direction = "downstream"): void {
    this.links[direction].end();
  }
}

export interface RigOptions {
  readonly seed?: string;
  readonly kind?: LinkKind;
  readonly registry?: ToxicRegistry;
  readonly clock?: WatchedClock;
}

/** Faults on a clock of their own, and connections that end in recorders. */
export class LinkRig {
  readonly clock: WatchedClock;
  readonly faults: Faults;
  /** What toxics threw. */
  readonly failures: { readonly toxic: string; readonly error: unknown }[] = [];
  readonly #kind: LinkKind;

  constructor(options: RigOptions = {}) {
    const {
      seed = "seed",
      kind = "bytes",
      registry = createRegistry(),
      clock = new WatchedClock(),
    } = options;
    this.#kind = kind;
    this.clock = clock;
    this.faults = new Faults({
      name: "proxy",
      registry,
      clock: this.clock,
      seed,
      observer: { onToxicFailed: (_proxy, toxic, error) => this.failures.push({ toxic, error }) },
    });
  }

  open(): RigConnection {
    return new RigConnection(this.faults, this.clock, this.#kind);
  }

  /** Adds a toxic to the downstream links, under the name of its type. */
  add(type: string, attributes: Attributes = {}, more: Partial<ToxicSettings> = {}): void {
    this.faults.add({ name: type, type, stream: "downstream", toxicity: 1, attributes, ...more });
  }

  /** Lets time pass in steps; a receiver that resumes goes on between them. */
  async run(milliseconds: number, step: number = milliseconds): Promise<void> {
    for (let passed = 0; passed < milliseconds; passed += step) {
      this.clock.advance(Math.min(step, milliseconds - passed));
      await new Promise<void>((resolve) => process.nextTick(resolve));
    }
  }
}
