/** Counts what clients have open, by address, so that none has more than it may. */
export class ClientCounts {
  readonly #limit: number;
  readonly #open: Map<string, number>;

  /**
   * @param limit for each client; 0 for none, and then nothing is counted
   * @param before by which others are counted who count here, too; what was counted there is taken away there
   */
  constructor(limit: number, before: ClientCounts | null = null) {
    this.#limit = limit;
    this.#open = before === null ? new Map() : before.#open;
  }

  /** False when there is no limit. */
  get areCounted(): boolean {
    return this.#limit > 0;
  }

  /** Counts one more; false, and not counted, when that would be too many. "" is nobody in particular, and has no limit. */
  add(address: string): boolean {
    if (this.#limit === 0 || address === "") return true;
    const open = this.#open.get(address) ?? 0;
    if (open >= this.#limit) return false;
    this.#open.set(address, open + 1);
    return true;
  }

  remove(address: string): void {
    if (this.#limit === 0) return;
    const open = this.#open.get(address) ?? 0;
    if (open <= 1) this.#open.delete(address);
    else this.#open.set(address, open - 1);
  }
}
