import { type GroupMemory, GroupWord, OwnGroupCount } from "./group-memory.ts";
import type { GroupSettings } from "./group-settings.ts";

/** How many repeated attempts a group allows at once, over all threads: retries must not be what keeps servers down. */
export class GroupRetries {
  readonly #settings: GroupSettings;
  readonly #memory: GroupMemory;

  constructor(settings: GroupSettings, memory: GroupMemory) {
    this.#settings = settings;
    this.#memory = memory;
  }

  /** Whether another repeated attempt may begin; it counts until `leave`. */
  enter(): boolean {
    if (!this.#memory.addUpTo(GroupWord.Retries, this.#most)) return false;
    this.#memory.countGroup(OwnGroupCount.Retries, 1);
    return true;
  }

  leave(): void {
    this.#memory.add(GroupWord.Retries, -1);
    this.#memory.countGroup(OwnGroupCount.Retries, -1);
  }

  get #most(): number {
    const { limits, retryBudget } = this.#settings;
    const most = limits.retries === 0 ? Number.POSITIVE_INFINITY : limits.retries;
    if (retryBudget === null) return most;
    const { share, least } = retryBudget;
    return Math.min(most, Math.max(least, Math.floor(share * this.#memory.get(GroupWord.Requests))));
  }
}
