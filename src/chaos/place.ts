import { Alarm, type AlarmClock } from "../base/alarms.ts";
import type { Random } from "../base/random.ts";
import type { Attributes } from "./attributes.ts";
import type { Holder } from "./holder.ts";
import type { Direction, LinkKind, Outlet, Toxic, ToxicSettings, ToxicSite, ToxicType } from "./toxic.ts";

/** What a place needs from its link. */
export interface PlaceHost {
  readonly direction: Direction;
  readonly kind: LinkKind;
  readonly clock: AlarmClock;
  /** What `work` throws ends the connection, and nothing else. */
  guard(toxic: string, work: () => void): void;
  closeBehind(place: Place): void;
  reset(toxic: string): void;
  shared<T>(toxic: string, make: () => T): T;
}

/** What was thrown on the way through a link, and by whom. */
export class Thrown extends Error {
  /** The toxic's name; "" for whoever gets what comes through. */
  readonly toxic: string;

  constructor(toxic: string, cause: unknown) {
    super("thrown on a link", { cause });
    this.name = "Thrown";
    this.toxic = toxic;
  }

  /** Names the innermost: what it was called by threw nothing itself. */
  static by(toxic: string, error: unknown): Thrown {
    return error instanceof Thrown ? error : new Thrown(toxic, error);
  }
}

/** A toxic's place on one link, whether it applies there or not. Leads to the toxic that is there. */
export class Place implements Outlet {
  readonly type: ToxicType;
  settings: ToxicSettings;
  /** Null while it doesn't apply. */
  toxic: Toxic<Attributes> | null = null;
  readonly holder: Holder;
  readonly random: Random;
  readonly #host: PlaceHost;
  #site: Site | null = null;
  #memory: { readonly value: unknown } | null = null;

  constructor(type: ToxicType, settings: ToxicSettings, holder: Holder, random: Random, host: PlaceHost) {
    this.type = type;
    this.settings = settings;
    this.holder = holder;
    this.random = random;
    this.#host = host;
  }

  /** Draws whether the toxic applies to this connection. */
  isDrawn(): boolean {
    return this.random.next() < this.settings.toxicity;
  }

  /** Puts an instance here. */
  open(): void {
    this.#site = new Site(this, this.#host);
    this.toxic = this.type.create(this.#site, this.settings.attributes);
  }

  take(chunk: Buffer): void {
    try {
      this.toxic!.take(chunk);
    } catch (error) {
      throw Thrown.by(this.settings.name, error);
    }
  }

  end(): void {
    try {
      this.toxic!.end();
    } catch (error) {
      throw Thrown.by(this.settings.name, error);
    }
  }

  /** Takes the instance away, with whatever it still holds. `bypass` leads others past this place before there is room. */
  close(bypass?: () => void): void {
    const { toxic } = this;
    this.toxic = null;
    bypass?.();
    this.#site?.leave();
    this.#site = null;
    toxic?.close();
    this.holder.empty();
  }

  kept<T>(make: () => T): T {
    this.#memory ??= { value: make() };
    return this.#memory.value as T;
  }
}

/** What an instance may do while it is at its place. Once it has left, it can do nothing any more. */
class Site implements ToxicSite {
  readonly direction: Direction;
  readonly kind: LinkKind;
  readonly random: Random;
  readonly #place: Place;
  readonly #host: PlaceHost;
  readonly #alarms: Alarm[] = [];
  #hasLeft = false;

  constructor(place: Place, host: PlaceHost) {
    this.#place = place;
    this.#host = host;
    this.direction = host.direction;
    this.kind = host.kind;
    this.random = place.random;
  }

  get #name(): string {
    return this.#place.settings.name;
  }

  now(): number {
    return this.#host.clock.now();
  }

  alarm(ring: () => void): Alarm {
    const alarm = new Alarm(this.#host.clock, () => this.#host.guard(this.#name, ring));
    this.#alarms.push(alarm);
    return alarm;
  }

  close(): void {
    if (!this.#hasLeft) this.#host.closeBehind(this.#place);
  }

  reset(): void {
    if (!this.#hasLeft) this.#host.reset(this.#name);
  }

  hold(bytes: number): void {
    if (!this.#hasLeft) this.#place.holder.hold(bytes);
  }

  release(bytes: number): void {
    if (!this.#hasLeft) this.#place.holder.release(bytes);
  }

  setCapacity(bytes: number): void {
    if (!this.#hasLeft) this.#place.holder.setCapacity(bytes);
  }

  shared<T>(make: () => T): T {
    return this.#host.shared(this.#name, make);
  }

  kept<T>(make: () => T): T {
    return this.#place.kept(make);
  }

  leave(): void {
    this.#hasLeft = true;
    for (const alarm of this.#alarms) alarm.clear();
  }
}
