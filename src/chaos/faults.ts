import type { AlarmClock } from "../base/alarms.ts";
import { type Random, seededRandom } from "../base/random.ts";
import type { Attributes } from "./attributes.ts";
import { Link, type LinkHome, type LinkPort } from "./link.ts";
import { completeAttributes, type ToxicRegistry } from "./registry.ts";
import type { Admission, Direction, LinkKind, ToxicSettings, ToxicType } from "./toxic.ts";

/** Both directions of one connection. */
export interface ConnectionPort {
  /** What came from the client and goes on to the server. */
  readonly upstream: LinkPort;
  /** What came from the server and goes on to the client. */
  readonly downstream: LinkPort;
}

/** Who hears what faults do. */
export interface FaultObserver {
  /** A toxic threw while it handled a connection, which was reset. */
  onToxicFailed(proxy: string, toxic: string, error: unknown): void;
}

export interface FaultsOptions {
  /** The proxy or listener whose connections these faults are laid on. */
  readonly name: string;
  readonly registry: ToxicRegistry;
  readonly clock: AlarmClock;
  /** The same seed draws the same lots, connection by connection in the order they are opened. */
  readonly seed: string;
  readonly observer: FaultObserver;
}

/** A change of a toxic: what isn't named stays. */
export interface ToxicChange {
  readonly toxicity?: number;
  readonly attributes?: Attributes;
}

const FREE: Admission = { refuse: false, delay: 0 };
const REFUSED: Admission = { refuse: true, delay: 0 };

/**
 * The faults of one proxy in one thread: the toxics that are set up, and the connections that they are laid on. Every
 * change reaches the connections that are open, in the middle of whatever they transfer.
 */
export class Faults implements LinkHome {
  readonly name: string;
  readonly clock: AlarmClock;
  readonly #registry: ToxicRegistry;
  readonly #seed: string;
  readonly #observer: FaultObserver;
  readonly #connections = new Set<FaultyConnection>();
  readonly #shared = new Map<string, unknown>();
  #toxics: readonly ToxicSettings[] = [];
  #admitted = 0;
  #opened = 0;
  readonly #attachments = new Set<() => void>();

  constructor({ name, registry, clock, seed, observer }: FaultsOptions) {
    this.name = name;
    this.clock = clock;
    this.#registry = registry;
    this.#seed = `${seed}/${name}`;
    this.#observer = observer;
  }

  /** In the order in which they act within each direction. */
  get toxics(): readonly ToxicSettings[] {
    return this.#toxics;
  }

  /** False while there is nothing to do: connections needn't be opened here. */
  get isActive(): boolean {
    return this.#toxics.length > 0;
  }

  /**
   * `attach` is called each time a first toxic comes, to lay the faults on the connections that were open without.
   * @returns how to have it called no more
   */
  whenActive(attach: () => void): () => void {
    this.#attachments.add(attach);
    return () => void this.#attachments.delete(attach);
  }

  /** @throws TypeError when the type is unknown or the name taken */
  add(settings: ToxicSettings): void {
    const type = this.#typeOf(settings);
    if (this.#toxics.some(({ name }) => name === settings.name))
      throw new TypeError(`${this.name} has a toxic ${settings.name} already`);
    const complete = { ...settings, attributes: completeAttributes(type, settings.attributes) };
    if (!this.isActive) for (const attach of this.#attachments) attach();
    this.#toxics = [...this.#toxics, complete];
    for (const link of this.#linksOf(complete)) link.add(type, complete);
  }

  /** @throws TypeError when there is no such toxic */
  update(name: string, change: ToxicChange): void {
    const before = this.#toxicOf(name);
    const after: ToxicSettings = {
      ...before,
      toxicity: change.toxicity ?? before.toxicity,
      attributes: completeAttributes(this.#typeOf(before), { ...before.attributes, ...change.attributes }),
    };
    this.#toxics = this.#toxics.map((toxic) => (toxic === before ? after : toxic));
    for (const link of this.#linksOf(after)) link.update(after);
  }

  /** Takes a toxic away; what it held goes on at once. @throws TypeError when there is no such toxic */
  remove(name: string): void {
    const toxic = this.#toxicOf(name);
    this.#toxics = this.#toxics.filter((other) => other !== toxic);
    for (const link of this.#linksOf(toxic)) link.remove(name);
    this.#shared.delete(name);
  }

  clear(): void {
    for (const { name } of this.#toxics) this.remove(name);
  }

  /** What becomes of a client that connects now. */
  admit(kind: LinkKind = "bytes"): Admission {
    let { refuse, delay } = FREE;
    this.#admitted++;
    for (const toxic of this.#toxics) {
      const type = this.#typeOf(toxic);
      if (type.admit === undefined || !type.links.includes(kind)) continue;
      const random = seededRandom(`${this.#seed}/${this.#admitted}/admit/${toxic.name}`);
      if (random.next() >= toxic.toxicity) continue;
      const admission = this.#ask(type.admit, toxic, random);
      refuse ||= admission.refuse;
      delay += admission.delay;
    }
    return refuse || delay > 0 ? { refuse, delay } : FREE;
  }

  /** What a toxic throws ends its connection, and nothing else. */
  #ask(admit: NonNullable<ToxicType["admit"]>, toxic: ToxicSettings, random: Random): Admission {
    try {
      return admit(toxic.attributes as never, random);
    } catch (error) {
      this.onToxicFailed(toxic.name, error);
      return REFUSED;
    }
  }

  /**
   * Lays the faults on a connection, for as long as it lives: until `close` of what is returned.
   * @param isSealed nothing passes through it: only those act on it that decide who may connect
   */
  open(port: ConnectionPort, kind: LinkKind = "bytes", isSealed = false): FaultyConnection {
    // A number of its own: connections that are opened together, by the first toxic that comes, must not draw alike.
    const seed = `${this.#seed}/${++this.#opened}`;
    const connection = new FaultyConnection(
      (direction) => new Link(direction, kind, port[direction], this, seed),
      () => this.#connections.delete(connection),
      isSealed,
    );
    this.#connections.add(connection);
    for (const toxic of this.#toxics) {
      const type = this.#typeOf(toxic);
      const isAdmitted = type.admit !== undefined;
      const link = connection[directionOf(toxic)];
      if (actsOn(type, link, isSealed)) link.add(type, toxic, isAdmitted);
    }
    return connection;
  }

  onToxicFailed(toxic: string, error: unknown): void {
    this.#observer.onToxicFailed(this.name, toxic, error);
  }

  shared<T>(toxic: string, make: () => T): T {
    if (!this.#shared.has(toxic)) this.#shared.set(toxic, make());
    return this.#shared.get(toxic) as T;
  }

  #toxicOf(name: string): ToxicSettings {
    const toxic = this.#toxics.find((other) => other.name === name);
    if (toxic === undefined) throw new TypeError(`${this.name} has no toxic ${name}`);
    return toxic;
  }

  #typeOf({ type }: ToxicSettings): ToxicType {
    const known = this.#registry.get(type);
    if (known === undefined) throw new TypeError(`There is no toxic type ${type}`);
    return known;
  }

  #linksOf(toxic: ToxicSettings): Link[] {
    const type = this.#typeOf(toxic);
    const direction = directionOf(toxic);
    return [...this.#connections]
      .filter((connection) => actsOn(type, connection[direction], connection.isSealed))
      .map((connection) => connection[direction]);
  }
}

/** What a toxic's `stream` means: it may be written in any case. */
export function directionOf({ stream }: ToxicSettings): Direction {
  return stream.toLowerCase() === "upstream" ? "upstream" : "downstream";
}

function actsOn({ links, admit }: ToxicType, { kind }: Link, isSealed: boolean): boolean {
  return links.includes(kind) && (!isSealed || admit !== undefined);
}

/** The two links of one connection. */
export class FaultyConnection {
  readonly upstream: Link;
  readonly downstream: Link;
  /** Nothing passes through it. */
  readonly isSealed: boolean;
  readonly #onClose: () => void;

  constructor(newLink: (direction: Direction) => Link, onClose: () => void, isSealed: boolean) {
    this.isSealed = isSealed;
    this.upstream = newLink("upstream");
    this.downstream = newLink("downstream");
    this.#onClose = onClose;
    for (const link of [this.upstream, this.downstream]) link.onEnded = () => this.#lookForEnds();
  }

  #lookForEnds(): void {
    if (!this.upstream.hasEnded || !this.downstream.hasEnded) return;
    this.upstream.abandon();
    this.downstream.abandon();
  }

  /** The connection is gone. */
  close(): void {
    this.#onClose();
    this.upstream.close();
    this.downstream.close();
  }
}
