import { isThenable } from "../base/errors.ts";
import {
  type HeadVerdict,
  type MaybeLater,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  TO_UPSTREAM,
} from "./plugin.ts";
import { type PipeOwner, PluginPipe } from "./plugin-pipe.ts";

/**
 * Plugins in a row, the first of them next to the client:
 *
 *     client ──▶ first ──▶ second ──▶ server
 *     client ◀── first ◀── second ◀── server
 *
 * So that what one packs before the other seals is opened before it is unpacked.
 */
export class PluginRow {
  readonly #plugins: readonly Plugin[];

  constructor(plugins: readonly Plugin[]) {
    this.#plugins = plugins;
  }

  /** Whether any of them looks at heads. It may be otherwise another day, after an exchange. */
  get filtersRequests(): boolean {
    return this.#plugins.some((plugin) => plugin.filtersRequests);
  }

  /** This one with another behind it, nearer to the server. */
  followedBy(other: PluginRow): PluginRow {
    return new PluginRow([...this.#plugins, ...other.#plugins]);
  }

  /**
   * Which of them have something to do with bytes is asked here: it may change when one of them is exchanged.
   * @throws PluginError when one of them can't open a connection; none is open then */
  open(clientAddress: string): PluginRowConnection {
    const stages: PluginConnection[] = [];
    try {
      for (const plugin of this.#plugins)
        if (plugin.transforms) stages.push(plugin.openConnection(clientAddress));
    } catch (error) {
      for (const stage of stages) stage.close();
      throw error;
    }
    return new PluginRowConnection(stages);
  }

  /**
   * Shows a head to each in turn, as the one before left it; see `Plugin.filterRequest`.
   * @param check whether what one of them made may take the place of the head
   * @throws PluginError, and what `check` throws, or rejects with it
   */
  filterRequest(head: string, check: (replaced: string) => void): MaybeLater<HeadVerdict> {
    return this.#filterFrom(0, head, false, check);
  }

  #filterFrom(
    first: number,
    received: string,
    wasReplaced: boolean,
    check: (replaced: string) => void,
  ): MaybeLater<HeadVerdict> {
    let head = received;
    let isReplaced = wasReplaced;
    for (let at = first; at < this.#plugins.length; at++) {
      const plugin = this.#plugins[at]!;
      if (!plugin.filtersRequests) continue;
      const verdict = plugin.filterRequest(head);
      if (isThenable(verdict)) return this.#filterLater(verdict, at, head, isReplaced, check);
      if (typeof verdict === "number") return verdict;
      if (verdict === null) continue;
      check(verdict);
      head = verdict;
      isReplaced = true;
    }
    return isReplaced ? head : null;
  }

  async #filterLater(
    later: PromiseLike<HeadVerdict>,
    at: number,
    head: string,
    wasReplaced: boolean,
    check: (replaced: string) => void,
  ): Promise<HeadVerdict> {
    const verdict = await later;
    if (typeof verdict === "number") return verdict;
    if (verdict !== null) check(verdict);
    return await this.#filterFrom(at + 1, verdict ?? head, wasReplaced || verdict !== null, check);
  }
}

/** One connection through all plugins of a row. */
export class PluginRowConnection {
  readonly #stages: readonly PluginConnection[];

  /** True when none of them has something to do with bytes. */
  get isEmpty(): boolean {
    return this.#stages.length === 0;
  }

  constructor(stages: readonly PluginConnection[]) {
    this.#stages = stages;
  }

  /** One of its two directions; each once. */
  pipe(direction: PluginDirection, owner: PipeOwner): PluginPipe {
    const stages = direction === TO_UPSTREAM ? this.#stages : this.#stages.toReversed();
    return new PluginPipe(stages, direction, owner);
  }

  close(): void {
    for (const stage of this.#stages) stage.close();
  }
}
