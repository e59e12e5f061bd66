/** What a peer can do too much of. */
export const Flood = {
  /** It opens streams and resets them before it can know anything of them ("rapid reset", CVE-2023-44487). */
  PeerReset: 0,
  /** It makes us reset its streams, by breaking rules or opening too many ("made you reset", CVE-2025-8671). */
  OwnReset: 1,
  /** Also acknowledgements of what we never sent. */
  Settings: 2,
  /** Also answers to what we never sent. */
  Ping: 3,
  /** DATA without a byte, and without an end of the stream. */
  EmptyData: 4,
  /** DATA that is mostly frame head and padding; counted in bytes. */
  TinyData: 5,
  WindowUpdate: 6,
  /** PRIORITY, PRIORITY_UPDATE, frames of unknown types, heads that come too late, and GOAWAY again and again. */
  Ignored: 7,
  /** Answers to its frames that it doesn't read. */
  UnreadAnswers: 8,
} as const;

export type Flood = (typeof Flood)[keyof typeof Flood];

/** A bucket of allowances: what a peer may do at once, and how soon it may do it again. */
export interface FloodLimit {
  /** Allowances that there are at first, and never more; for `tinyData` bytes. From 1 on. */
  readonly burst: number;
  /** Allowances that come back in a second. 0: none do. */
  readonly perSecond: number;
}

export type FloodLimits = { readonly [kind in Uncapitalize<keyof typeof Flood>]: FloodLimit };

/**
 * Far above what browsers, gRPC clients, load generators and other proxies do. Those that could come near it give something back:
 * a stream that ends well pays for a reset, DATA that we send for the window updates it calls for, and payload for small frames.
 */
export const DEFAULT_FLOOD_LIMITS: FloodLimits = {
  peerReset: { burst: 1000, perSecond: 50 },
  ownReset: { burst: 200, perSecond: 20 },
  settings: { burst: 100, perSecond: 10 },
  // gRPC clients measure the bandwidth with a PING for each round trip.
  ping: { burst: 2000, perSecond: 500 },
  emptyData: { burst: 200, perSecond: 20 },
  tinyData: { burst: 256 * 1024, perSecond: 4096 },
  windowUpdate: { burst: 4000, perSecond: 200 },
  ignored: { burst: 4000, perSecond: 100 },
  unreadAnswers: { burst: 1000, perSecond: 0 },
};

/** The kinds, each at the place of its number. */
export const FLOOD_KINDS: readonly (keyof typeof Flood)[] = Object.keys(Flood) as (keyof typeof Flood)[];

/** What a kind is called among limits. */
export function floodName(kind: keyof typeof Flood): keyof FloodLimits {
  return (kind[0]!.toLowerCase() + kind.slice(1)) as keyof FloodLimits;
}

/** Limits in the form in which they are looked up; made once for all connections. */
export class FloodRules {
  readonly bursts: Float64Array;
  /** Allowances a millisecond. */
  readonly rates: Float64Array;

  /** @param limits of the kinds that aren't to have the usual ones */
  constructor(limits: Partial<FloodLimits> = {}) {
    const all = { ...DEFAULT_FLOOD_LIMITS, ...limits };
    this.bursts = Float64Array.from(FLOOD_KINDS, (kind) => all[floodName(kind)].burst);
    this.rates = Float64Array.from(FLOOD_KINDS, (kind) => all[floodName(kind)].perSecond / 1000);
  }
}
