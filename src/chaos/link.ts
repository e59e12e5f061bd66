import type { AlarmClock } from "../base/alarms.ts";
import { seededRandom } from "../base/random.ts";
import { Exit, type ExitPort } from "./exit.ts";
import { Holder } from "./holder.ts";
import { Place, type PlaceHost, Thrown } from "./place.ts";
import type { Direction, LinkKind, Outlet, ToxicSettings, ToxicType } from "./toxic.ts";

/** Where a link leads, and the connection it belongs to. */
export interface LinkPort extends ExitPort {
  /** The link holds as much as it may: nothing should be pushed until `onRoom`. */
  onFull(): void;
  onRoom(): void;
  /** Closes the connection with a reset. `toxic` is the name of the one that asks for it. */
  reset(toxic: string): void;
}

/** What a link's toxics share with those of other links: by the toxic's name. */
export interface LinkHome {
  readonly clock: AlarmClock;
  /** A toxic threw. */
  onToxicFailed(toxic: string, error: unknown): void;
  shared<T>(toxic: string, make: () => T): T;
}

/** Where bytes go that nobody waits for any more. */
const NOWHERE: Outlet = { take: () => undefined, end: () => undefined };

/**
 * One direction of a connection with its toxics in a row:
 *
 *     push ──▶ [toxic] ──▶ [toxic] ──▶ exit ──▶ port
 *
 * A toxic that doesn't apply to this connection (its toxicity decides by lot) has a place without an instance. While
 * no toxic applies and nothing waits, the link is clear and needs no bytes pushed through it.
 */
export class Link implements PlaceHost {
  /** Called when the sender has ended this direction. */
  onEnded: (() => void) | null = null;
  readonly direction: Direction;
  readonly kind: LinkKind;
  readonly #port: LinkPort;
  readonly #home: LinkHome;
  /** Of the run, the proxy and the connection. */
  readonly #seed: string;
  readonly #places: Place[] = [];
  readonly #exit: Exit;
  #first: Outlet;
  #fullHolders = 0;
  #hasEnded = false;
  /** A toxic closes the connection: nothing comes in any more. */
  #closing = false;
  #closed = false;

  constructor(direction: Direction, kind: LinkKind, port: LinkPort, home: LinkHome, seed: string) {
    this.direction = direction;
    this.kind = kind;
    this.#port = port;
    this.#home = home;
    this.#seed = `${seed}/${direction}`;
    this.#exit = new Exit(port, this.#newHolder(), this);
    this.#first = this.#exit;
  }

  get clock(): AlarmClock {
    return this.#home.clock;
  }

  /** True once the sender has ended this direction. */
  get hasEnded(): boolean {
    return this.#hasEnded;
  }

  /** True while bytes may go past it: no toxic applies, and nothing that came before still waits. */
  get isClear(): boolean {
    return this.#first === this.#exit && this.#exit.isIdle;
  }

  /** Bytes that wait here. */
  get held(): number {
    return this.#places.reduce((sum, { holder }) => sum + holder.held, this.#exit.held);
  }

  /** The names of the toxics that apply to this connection. */
  get active(): string[] {
    return this.#places.filter((place) => place.toxic !== null).map((place) => place.settings.name);
  }

  /** Takes borrowed bytes in. */
  push(bytes: Buffer, start: number, end: number): void {
    const chunk = Buffer.allocUnsafe(end - start);
    bytes.copy(chunk, 0, start, end);
    this.guard("", () => this.#first.take(chunk));
  }

  end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.guard("", () => this.#first.end());
    this.onEnded?.();
  }

  /** Both senders have ended. */
  abandon(): void {
    for (const place of [...this.#places]) this.guard(place.settings.name, () => place.toxic?.abandon());
  }

  /** Whoever gets what comes through can't take more for a while. */
  pause(): void {
    this.#exit.pause();
  }

  resume(): void {
    this.#exit.resume();
  }

  /** The connection is gone. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const place of this.#places) place.close();
    this.#exit.close();
  }

  // ── changes while it runs ──────────────────────────────────────────────────────────────────────────────────────

  /**
   * Puts a toxic at the end of the row, next to where bytes go. One that acts on connections as they are opened leaves
   * alone what it has let in: `isAdmitted` says that it has.
   */
  add(type: ToxicType, settings: ToxicSettings, isAdmitted = false): void {
    const random = seededRandom(`${this.#seed}/${settings.name}`);
    const place = new Place(type, settings, this.#newHolder(type.capacity), random, this);
    this.#places.push(place);
    if (!isAdmitted && place.isDrawn()) this.#insert(place);
  }

  /** Changes attributes and toxicity; whether it applies is drawn again. */
  update(settings: ToxicSettings): void {
    const place = this.#placeOf(settings.name);
    if (place === undefined) return;
    place.settings = settings;
    const { toxic } = place;
    const isActive = place.isDrawn();
    if (toxic === null) {
      if (isActive) this.#insert(place);
    } else if (isActive) this.guard(settings.name, () => toxic.update(settings.attributes));
    else this.#takeOut(place);
  }

  remove(name: string): void {
    const place = this.#placeOf(name);
    if (place === undefined) return;
    if (place.type.closesWhenRemoved === true) {
      this.guard(name, () => this.closeBehind(place));
      return;
    }
    if (place.toxic !== null) this.#takeOut(place);
    this.#places.splice(this.#places.indexOf(place), 1);
  }

  #placeOf(name: string): Place | undefined {
    return this.#places.find((place) => place.settings.name === name);
  }

  #insert(place: Place): void {
    this.guard(place.settings.name, () => {
      place.open();
      this.#connect();
      // It has passed already; who doesn't hear of it would wait for bytes that can't come.
      if (place.toxic !== null && this.#exit.hasEnded) place.end();
    });
  }

  /** What it holds goes on through those behind it before it is bypassed. */
  #takeOut(place: Place): void {
    this.guard(place.settings.name, () => place.toxic?.remove());
    place.close(() => this.#connect());
  }

  /** Leads each active toxic to the next. */
  #connect(): void {
    let next: Outlet = this.#exit;
    for (const place of this.#places.toReversed()) {
      if (place.toxic === null) continue;
      place.toxic.next = next;
      next = place;
    }
    this.#first = this.#closing ? NOWHERE : next;
  }

  // ── what toxics ask for ────────────────────────────────────────────────────────────────────────────────────────

  shared<T>(toxic: string, make: () => T): T {
    return this.#home.shared(toxic, make);
  }

  reset(toxic: string): void {
    if (!this.#closed) this.#port.reset(toxic);
  }

  /** What is behind `place` still goes out, what is before it is dropped; the end behind it closes the connection. */
  closeBehind(place: Place): void {
    if (this.#closed || this.#closing) return;
    this.#closing = true;
    for (const done of this.#places.splice(0, this.#places.indexOf(place) + 1)) {
      if (done.toxic !== null) done.toxic.next = NOWHERE;
      done.close();
    }
    this.#connect();
    this.#exit.closeAtEnd(place.settings.name);
    const behind = this.#places.find(({ toxic }) => toxic !== null) ?? this.#exit;
    this.guard("", () => behind.end());
  }

  /** What a toxic throws ends its connection, and nothing else. */
  guard(toxic: string, work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (error) {
      const thrown = Thrown.by(toxic, error);
      this.#home.onToxicFailed(thrown.toxic, thrown.cause);
      this.reset(thrown.toxic);
    }
  }

  #newHolder(capacity?: number): Holder {
    return new Holder(
      () => {
        if (this.#fullHolders++ === 0 && !this.#closed) this.#port.onFull();
      },
      () => {
        if (--this.#fullHolders === 0 && !this.#closed) this.#port.onRoom();
      },
      capacity,
    );
  }
}
