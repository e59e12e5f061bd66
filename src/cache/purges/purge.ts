/** What a purge is by. */
export const PurgeKind = {
  /** The text of a key, with all variants under it. */
  Key: 0,
  /** What the text of keys begins with. */
  Prefix: 1,
  /** One of the tags of a response. */
  Tag: 2,
  /** Whatever is stored; the text means nothing. */
  All: 3,
} as const;
export type PurgeKindCode = (typeof PurgeKind)[keyof typeof PurgeKind];

/** Takes from use what was fetched before it. */
export interface Purge {
  readonly kind: PurgeKindCode;
  readonly text: string;
  /** What it hits is stale from now on, and may be served where stale responses may; otherwise it is as good as removed. */
  readonly isSoft: boolean;
}

/** What purges have made of an entry; the greater, the less is left of it. */
export const PurgeVerdict = {
  /** None of them was for it. */
  Kept: 0,
  Stale: 1,
  /** It isn't known whether one was: the server has to be asked before it is used. */
  Revalidate: 2,
  Gone: 3,
} as const;
export type PurgeVerdictCode = (typeof PurgeVerdict)[keyof typeof PurgeVerdict];
