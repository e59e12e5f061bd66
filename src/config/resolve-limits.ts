import type { LimitSettings, RedisSettings } from "../filters/settings.ts";
import type { LimitDraft, LimitReference } from "./schema/limit.ts";

/** The limits of a document as they are found: those with names, and those that routes write down in place. */
export class LimitTable {
  readonly #defined: Readonly<Record<string, LimitDraft>>;
  readonly #redis: RedisSettings | null;
  readonly #found = new Map<string, LimitSettings>();

  /** @param redis where those count that don't say so themselves */
  constructor(defined: Readonly<Record<string, LimitDraft>>, redis: RedisSettings | null) {
    this.#defined = defined;
    this.#redis = redis;
  }

  /** Every limit that was asked for, each once. */
  get all(): readonly LimitSettings[] {
    return [...this.#found.values()];
  }

  /**
   * The limits that references lead to; whether they lead anywhere was checked before.
   * @param place what those without a name are called by: where they stand, so that all machines with the same file call
   * them the same
   */
  resolve(references: readonly LimitReference[], place: string): readonly LimitSettings[] {
    return references.map((reference, index) => {
      if (typeof reference === "string") return this.#take(reference, this.#defined[reference]!);
      return this.#take(`${place}[${index}]`, reference);
    });
  }

  #take(name: string, draft: LimitDraft): LimitSettings {
    const known = this.#found.get(name);
    if (known !== undefined) return known;
    const { redis = draft.algorithm === "concurrency" ? null : this.#redis } = draft;
    const settings = { ...draft, name, redis };
    this.#found.set(name, settings);
    return settings;
  }
}
