import { isDeepStrictEqual } from "node:util";
import { NOTHING_TO_DO, type ReadyPart } from "./part.ts";

/** Something that listens beside the data plane. */
export interface Mounted {
  readonly address: string;
  /** Ends now. */
  close(): Promise<void>;
  /** Takes no more connections; whoever is being answered gets the answer. */
  retire(): Promise<void>;
}

/** How something is mounted, by settings of its own. */
export interface MountWay<S, M extends Mounted> {
  /** Rejects when it can't be listened there. */
  mount(settings: S): Promise<M>;
  /** What it listens on, by its settings. */
  placeOf(settings: S): string;
  /** Other settings for one that stays where it is. */
  adapt?(mounted: M, settings: S): void;
  /** Hears of it when it listens somewhere. */
  onMounted(mounted: M): void;
}

/** Something that listens beside the data plane, or doesn't, and may move while it runs: first there, then no more here. */
export class Mount<S, M extends Mounted> {
  readonly #way: MountWay<S, M>;
  #settings: S | null = null;
  #mounted: M | null = null;

  constructor(way: MountWay<S, M>) {
    this.#way = way;
  }

  /** Rejects when it can't be listened there. */
  async open(settings: S | null): Promise<void> {
    await (await this.prepare(settings)).commit();
  }

  /** Listens where it is to be next; nobody else knows yet. */
  async prepare(next: S | null): Promise<ReadyPart> {
    if (isDeepStrictEqual(next, this.#settings)) return NOTHING_TO_DO;
    const [before, settings] = [this.#mounted, this.#settings];
    const { placeOf, mount, adapt, onMounted } = this.#way;
    if (next !== null && before !== null && settings !== null && placeOf(next) === placeOf(settings)) {
      return {
        commit: () => {
          this.#settings = next;
          adapt?.(before, next);
        },
        abandon: () => undefined,
      };
    }
    const mounted = next === null ? null : await mount(next);
    return {
      commit: () => {
        this.#settings = next;
        this.#mounted = mounted;
        if (mounted !== null) onMounted(mounted);
        // It may be by this very one that somebody waits for the answer.
        void before?.retire();
      },
      // Its socket is given back, too: nobody listens there.
      abandon: () => mounted?.retire(),
    };
  }

  async close(): Promise<void> {
    await this.#mounted?.close();
  }
}
