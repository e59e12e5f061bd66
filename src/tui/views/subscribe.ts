/** Something that changes and says so. */
export interface Source {
  subscribe(subscriber: () => void): () => void;
}

const subscriptions = new WeakMap<Source, Source["subscribe"]>();

/** The same function for the same source: React subscribes anew whenever it is another. */
export function subscribeTo(source: Source): Source["subscribe"] {
  return subscriptions.getOrInsertComputed(source, () => (subscriber) => source.subscribe(subscriber));
}
