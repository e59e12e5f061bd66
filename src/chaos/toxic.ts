import type { Alarm } from "../base/alarms.ts";
import type { Random } from "../base/random.ts";
import type { AttributeSpecs, Attributes, AttributesOf } from "./attributes.ts";

/** `upstream`: from the client to the server. `downstream`: from the server to the client. */
export type Direction = "upstream" | "downstream";

/** A stream of bytes, which may be cut anywhere; or datagrams, each one whole. */
export type LinkKind = "bytes" | "datagrams";

/** Where bytes go next: another toxic, or out. */
export interface Outlet {
  /** `chunk` is the receiver's own from here on: it may be kept and changed. */
  take(chunk: Buffer): void;
  /** The sender has ended its direction; nothing follows, but perhaps another end, which means nothing. */
  end(): void;
}

/** A toxic's place: one direction of one connection, and what it may do there. */
export interface ToxicSite {
  readonly direction: Direction;
  readonly kind: LinkKind;
  /** Numbers of this toxic on this link alone, the same again with the same seed. */
  readonly random: Random;
  /** Milliseconds with fractions, since some moment in the past. */
  now(): number;
  /** An alarm of its own, cleared by itself when the connection is gone. What `ring` throws ends this connection alone. */
  alarm(ring: () => void): Alarm;
  /** Closes the connection: what was passed on is still delivered, what comes from now on isn't, then both directions end. */
  close(): void;
  /** Closes the connection with a TCP reset, both ways. */
  reset(): void;
  /** Counts bytes that are held here, so that a sender that is too fast is stopped. */
  hold(bytes: number): void;
  /** Counts them out again, once they are passed on: the sender may go on within this call. */
  release(bytes: number): void;
  /** Bytes that may be held here before reading stops, from now on, instead of the type's capacity. */
  setCapacity(bytes: number): void;
  /** What all links of the proxy share for this toxic, made by the first that asks. */
  shared<T>(make: () => T): T;
  /** What this toxic remembers on this link even through times when it doesn't apply to it. */
  kept<T>(make: () => T): T;
}

/**
 * A fault on a link: bytes come in by `take` and go on by `pass`, later, fewer, more, or not at all. One instance serves
 * one direction of one connection.
 */
export abstract class Toxic<A = Attributes> implements Outlet {
  protected readonly site: ToxicSite;
  protected attributes: A;
  /** @internal set by the link */
  next!: Outlet;

  constructor(site: ToxicSite, attributes: A) {
    this.site = site;
    this.attributes = attributes;
  }

  abstract take(chunk: Buffer): void;

  /**
   * By default the end follows the bytes at once. A toxic that holds bytes lets it wait behind them. One that comes when
   * the end has passed already hears of it at once.
   */
  end(): void {
    this.next.end();
  }

  /** Its attributes were changed while it works; what it holds and counts stays. */
  update(attributes: A): void {
    this.attributes = attributes;
  }

  /** It is taken off a link that lives on: passes on what it holds, in order. Its alarms are cleared afterwards. */
  remove(): void {}

  /** Both senders have ended. A toxic that keeps an end for ever passes it on now: nobody is left to wait. */
  abandon(): void {}

  /** The connection is gone: lets go of everything. Alarms are cleared already. */
  close(): void {}

  protected pass(chunk: Buffer): void {
    this.next.take(chunk);
  }
}

/** What a toxic does to a connection before there is one to the server. */
export interface Admission {
  /** The client is turned away with a reset. */
  readonly refuse: boolean;
  /** Milliseconds that the connection to the server is put off. */
  readonly delay: number;
}

/** A kind of toxic: what the registry knows by its name. */
export interface ToxicType<S extends AttributeSpecs = AttributeSpecs> {
  readonly name: string;
  /** One line for menus and help. */
  readonly about: string;
  readonly attributes: S;
  /** Links it makes sense on. */
  readonly links: readonly LinkKind[];
  /** Bytes it may hold on one link before reading stops. Default 64 KiB. */
  readonly capacity?: number;
  /** Taking it away closes the connections it was laid on, even those that its toxicity spared. */
  readonly closesWhenRemoved?: boolean;
  /** Null when there is nothing to do on a connection that stands. */
  create(site: ToxicSite, attributes: AttributesOf<S>): Toxic<AttributesOf<S>> | null;
  /** For those that act on connections as they are opened. They leave alone what they let in. */
  admit?(attributes: AttributesOf<S>, random: Random): Admission;
}

/** Names the types of a toxic's attributes after its specification. */
export function defineToxic<const S extends AttributeSpecs>(type: ToxicType<S>): ToxicType<S> {
  return type;
}

/** A toxic as it is set up: plain data. */
export interface ToxicSettings {
  /** Unique within a proxy. */
  readonly name: string;
  readonly type: string;
  /** As it was written; `directionOf` tells what it means. */
  readonly stream: string;
  /** The share of connections that it is active on, 0 to 1. */
  readonly toxicity: number;
  readonly attributes: Attributes;
}
