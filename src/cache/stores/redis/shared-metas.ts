import { hash } from "node:crypto";
import { MetaFlag, withPurge } from "../../meta.ts";
import { isMeta, MetaView } from "../../meta-view.ts";
import { isStillThere } from "../../purges/judge.ts";
import type { PurgeList } from "../../purges/purge-list.ts";

/** What a machine's own copy is worth. */
export const Standing = {
  Good: 0,
  /** Another machine may have asked the server since. */
  Stale: 1,
  /** It was purged: what another machine has stored since may be there. */
  Gone: 2,
} as const;
export type StandingCode = (typeof Standing)[keyof typeof Standing];

/** What a store of several machines has to know of a meta. */
export interface StoreMetas {
  /** Milliseconds for which an entry is of use from now on; not positive: it isn't. */
  usefulFor(meta: Buffer): number;
  /** The number of the last purge of all machines that it isn't subject to; -1: nobody knows. */
  numberOf(meta: Buffer): number;
  /** 8 bytes that tell a response from others under its key, on all machines and whatever purges have noted in its meta. */
  identityOf(meta: Buffer): Buffer;
  /** What purges since are noted in it. */
  standingOf(meta: Buffer): StandingCode;
  /** Whether a response came from its server after another one under its key. */
  isNewer(meta: Buffer, than: Buffer): boolean;
  /** The meta as this machine would have it. @returns null when it can't be read, or is that of another body */
  here(meta: Buffer, number: number, bodyLength: number): Buffer | null;
}

export interface UsefulTime {
  /** Milliseconds that a stale entry with an `ETag` or `Last-Modified` is kept for, because it spares the server a body. */
  readonly forValidation: number;
  /** Milliseconds that anything is kept. */
  readonly atMost: number;
}

export const USEFUL_DEFAULTS: UsefulTime = { forValidation: 3_600_000, atMost: 7 * 24 * 3_600_000 };

/** The metas of this cache: purges are counted by each machine for itself, so that generations have to be translated. */
export class SharedMetas implements StoreMetas {
  readonly #view = new MetaView();
  readonly #purges: PurgeList;
  readonly #time: UsefulTime;
  readonly #now: () => number;

  /** @param now milliseconds since 1970 */
  constructor(purges: PurgeList, time: UsefulTime, now: () => number) {
    this.#purges = purges;
    this.#time = time;
    this.#now = now;
  }

  /** As long as it is fresh, may be served stale, or can be validated. What says by which fields responses vary lasts for all of them. */
  usefulFor(meta: Buffer): number {
    const { flags, bornAt, lifetime, staleWhileRevalidate, staleIfError } = this.#view.of(meta);
    const { forValidation, atMost } = this.#time;
    if ((flags & MetaFlag.VaryList) !== 0) return atMost;
    const canValidate = (flags & (MetaFlag.HasEtag | MetaFlag.HasLastModified)) !== 0;
    const stale = 1000 * Math.max(staleWhileRevalidate, staleIfError);
    const after = Math.max(stale, canValidate ? forValidation : 0);
    return Math.min(atMost, bornAt + 1000 * lifetime + after - this.#now());
  }

  numberOf(meta: Buffer): number {
    return this.#purges.remoteOf(this.#view.of(meta).generation);
  }

  identityOf(meta: Buffer): Buffer {
    return hash("sha256", withPurge(meta, 0, 0), "buffer").subarray(0, 8);
  }

  standingOf(meta: Buffer): StandingCode {
    const view = this.#view.of(meta);
    if (view.generation !== this.#purges.generation && !isStillThere(this.#purges, view))
      return Standing.Gone;
    const { flags } = view;
    if ((flags & MetaFlag.VaryList) !== 0) return Standing.Good;
    if ((flags & (MetaFlag.Purged | MetaFlag.NoCache)) !== 0) return Standing.Stale;
    return view.bornAt + 1000 * view.lifetime > this.#now() ? Standing.Good : Standing.Stale;
  }

  isNewer(meta: Buffer, than: Buffer): boolean {
    const { responseTime } = this.#view.of(meta);
    return responseTime > this.#view.of(than).responseTime;
  }

  here(meta: Buffer, number: number, length: number): Buffer | null {
    if (!isMeta(meta)) return null;
    const { flags, bodyLength } = this.#view.of(meta);
    if (bodyLength >= 0 && bodyLength !== length) return null;
    return withPurge(meta, flags, this.#purges.generationOf(number));
  }
}
