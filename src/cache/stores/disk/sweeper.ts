import { join } from "node:path";
import type { DiskIndex } from "./disk-index.ts";
import type { FileCalls } from "./file-calls.ts";
import { nameOf, pathOf, UNDER_WAY } from "./file-names.ts";
import { type Place, Stage } from "./slots.ts";

const MOST_AT_ONCE = 2;

export interface SweeperMeans {
  readonly folder: string;
  readonly index: DiskIndex;
  readonly calls: FileCalls;
  readonly process: string;
  onProblem(error: Error): void;
}

/** Removes the files of entries that this thread made leave. Only then their bytes are free. */
export class Sweeper {
  readonly #means: SweeperMeans;
  readonly #idle: (() => void)[] = [];
  #running = 0;

  constructor(means: SweeperMeans) {
    this.#means = means;
  }

  sweep(): void {
    const { leaving } = this.#means.index;
    while (this.#running < MOST_AT_ONCE && this.#running < leaving.length) void this.#run();
  }

  /** Removes what this thread made leave last, whatever else is to go. Never rejects. */
  async removeLast(): Promise<void> {
    const place = this.#means.index.leaving.pop();
    if (place !== undefined) await this.#removeOne(place);
  }

  /** Resolves when nothing is left to be removed. */
  async done(): Promise<void> {
    this.sweep();
    if (this.#running > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  async #run(): Promise<void> {
    this.#running++;
    const { leaving } = this.#means.index;
    for (let place = leaving.pop(); place !== undefined; place = leaving.pop()) await this.#removeOne(place);
    this.#running--;
    if (this.#running === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #removeOne(place: Place): Promise<void> {
    const { index, onProblem } = this.#means;
    try {
      await this.#remove(place);
      index.gone(place);
    } catch (error) {
      // Its bytes are still there, so they stay counted.
      onProblem(error as Error);
    }
  }

  async #remove(place: Place): Promise<void> {
    const { folder, index, calls, process } = this.#means;
    const name = nameOf(index.hashOf(place), place);
    if (index.stageOf(place) === Stage.Failed)
      await calls.remove(join(folder, UNDER_WAY, `${name}.${process}`));
    await calls.remove(pathOf(folder, name));
  }
}
