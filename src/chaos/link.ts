import { Alarm, type AlarmClock } from "../base/alarms.ts";
import { type Random, seededRandom } from "../base/random.ts";
import type { Attributes } from "./attributes.ts";
import { Exit } from "./exit.ts";
import { Holder } from "./holder.ts";
import type { Direction, LinkKind, Outlet, Toxic, ToxicSettings, ToxicSite, ToxicType } from "./toxic.ts";

/** Where a link leads, and the connection it belongs to. */
export interface LinkPort {
  /** Bytes that came through. `chunk` is the receiver's own. */
  deliver(chunk: Buffer): void;
  deliverEnd(): void;
  /** The link holds as much as it may: nothing should be pushed until `onRoom`. */
  onFull(): void;
  onRoom(): void;
  /** Closes the connection once what was delivered is sent. `toxic` is the name of the one that asks for it. */
  close(toxic: string): void;
  /** Closes the connection with a reset. */
  reset(toxic: string): void;
}

/** What a link's toxics share with those of other links: by the toxic's name. */
export interface LinkHome {
  readonly clock: AlarmClock;
  /** A toxic threw. */
  onToxicFailed(toxic: string, error: unknown): void;
  shared<T>(toxic: string, make: () => T): T;
}

/**
 * One direction of a connection with its toxics in a row:
 *
 *     push ──▶ [toxic] ──▶ [toxic] ──▶ exit ──▶ port
 *
 * A toxic that doesn't apply to this connection (its toxicity decides by lot) has a place without an instance. While
 * no toxic applies and nothing waits, the link is clear and needs no bytes pushed through it.
 */
export class Link {
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
  #closed = false;

  constructor(direction: Direction, kind: LinkKind, port: LinkPort, home: LinkHome, seed: string) {
    this.direction = direction;
    this.kind = kind;
    this.#port = port;
    this.#home = home;
    this.#seed = `${seed}/${direction}`;
    this.#exit = new Exit(port, this.#newHolder());
    this.#first = this.#exit;
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
    // Not from the pool that small buffers share: they may be changed here.
    const chunk = Buffer.allocUnsafe(end - start);
    bytes.copy(chunk, 0, start, end);
    this.#guard("", () => this.#first.take(chunk));
  }

  end(): void {
    this.#guard("", () => this.#first.end());
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

  /** Puts a toxic at the end of the row, next to where bytes go. */
  add(type: ToxicType, settings: ToxicSettings): void {
    const place = new Place(
      type,
      settings,
      this.#newHolder(),
      seededRandom(`${this.#seed}/${settings.name}`),
    );
    this.#places.push(place);
    if (place.isDrawn()) this.#insert(place);
  }

  /** Changes attributes and toxicity; whether it applies is drawn again. */
  update(settings: ToxicSettings): void {
    const place = this.#placeOf(settings.name);
    if (place === undefined) return;
    place.settings = settings;
    const wasActive = place.toxic !== null;
    const isActive = place.isDrawn();
    if (wasActive && isActive) this.#guard(settings.name, () => place.toxic!.update(settings.attributes));
    else if (wasActive) this.#takeOut(place);
    else if (isActive) this.#insert(place);
  }

  remove(name: string): void {
    const place = this.#placeOf(name);
    if (place === undefined) return;
    if (place.toxic !== null) this.#takeOut(place);
    this.#places.splice(this.#places.indexOf(place), 1);
  }

  #placeOf(name: string): Place | undefined {
    return this.#places.find((place) => place.settings.name === name);
  }

  #insert(place: Place): void {
    this.#guard(place.settings.name, () => {
      place.toxic = place.type.create(this.#siteOf(place), place.settings.attributes);
      place.toxic.next = this.#exit;
      this.#connect();
    });
  }

  /** What it holds goes on through those behind it before it is bypassed. */
  #takeOut(place: Place): void {
    const toxic = place.toxic!;
    this.#guard(place.settings.name, () => toxic.remove());
    place.toxic = null;
    place.close();
    this.#connect();
  }

  /** Leads each active toxic to the next. */
  #connect(): void {
    let next: Outlet = this.#exit;
    for (const { toxic } of this.#places.toReversed()) {
      if (toxic === null) continue;
      toxic.next = next;
      next = toxic;
    }
    this.#first = next;
  }

  // ── what toxics ask for ────────────────────────────────────────────────────────────────────────────────────────

  #siteOf(place: Place): ToxicSite {
    const { clock } = this.#home;
    const { name } = place.settings;
    return {
      direction: this.direction,
      kind: this.kind,
      random: place.random,
      now: () => clock.now(),
      alarm: (ring) => place.alarm(clock, () => this.#guard(name, ring)),
      close: () => this.#end(() => this.#port.close(name)),
      reset: () => this.#end(() => this.#port.reset(name)),
      hold: (bytes) => place.holder.hold(bytes),
      release: (bytes) => place.holder.release(bytes),
      shared: (make) => this.#home.shared(name, make),
    };
  }

  #end(how: () => void): void {
    if (!this.#closed) how();
  }

  /** What a toxic throws ends its connection, and nothing else. */
  #guard(toxic: string, work: () => void): void {
    if (this.#closed) return;
    try {
      work();
    } catch (error) {
      this.#home.onToxicFailed(toxic, error);
      this.#end(() => this.#port.reset(toxic));
    }
  }

  #newHolder(): Holder {
    return new Holder(
      () => {
        if (this.#fullHolders++ === 0 && !this.#closed) this.#port.onFull();
      },
      () => {
        if (--this.#fullHolders === 0 && !this.#closed) this.#port.onRoom();
      },
    );
  }
}

/** A toxic's place on one link, whether it applies there or not. */
class Place {
  readonly type: ToxicType;
  settings: ToxicSettings;
  toxic: Toxic<Attributes> | null = null;
  readonly holder: Holder;
  readonly random: Random;
  readonly #alarms: Alarm[] = [];

  constructor(type: ToxicType, settings: ToxicSettings, holder: Holder, random: Random) {
    this.type = type;
    this.settings = settings;
    this.holder = holder;
    this.random = random;
    if (type.capacity !== undefined) holder.capacity = type.capacity;
  }

  /** Draws whether the toxic applies to this connection. */
  isDrawn(): boolean {
    return this.random.next() < this.settings.toxicity;
  }

  alarm(clock: AlarmClock, ring: () => void): Alarm {
    const alarm = new Alarm(clock, ring);
    this.#alarms.push(alarm);
    return alarm;
  }

  close(): void {
    for (const alarm of this.#alarms) alarm.clear();
    this.#alarms.length = 0;
    this.holder.empty();
    this.toxic?.close();
    this.toxic = null;
  }
}
