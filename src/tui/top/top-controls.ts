import type { KeyPress } from "../keys.ts";
import { SECTIONS, type SectionName, SORTS, type Sort } from "./sections.ts";
import { WINDOW_NAMES, type WindowName } from "./stats.ts";
import type { TopWatch } from "./top-watch.ts";

/** What is shown, and how. */
export interface TopState {
  /** All sections, or one that has the screen for itself. */
  readonly view: "all" | SectionName;
  readonly sort: Sort;
  readonly window: WindowName;
  /** The first row that is shown of a section that has the screen for itself. */
  readonly first: number;
}

/** What keys do. */
export class TopControls {
  /** Rows that a page has. */
  pageLength = 1;
  /** Rows that there are. */
  rows = 0;
  readonly #watch: TopWatch;
  readonly #quit: () => void;
  readonly #subscribers = new Set<() => void>();
  #state: TopState;

  /** @param window how far back is looked at first */
  constructor(watch: TopWatch, window: WindowName, quit: () => void) {
    this.#state = { view: "all", sort: "rate", window, first: 0 };
    this.#watch = watch;
    this.#quit = quit;
  }

  /** The same object until something changes. */
  get state(): TopState {
    return this.#state;
  }

  subscribe(subscriber: () => void): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  press({ name, text }: KeyPress): void {
    const scrolled = name === "text" ? null : this.#scrolled(name);
    if (scrolled !== null) this.#change({ first: scrolled });
    else if (name === "interrupt") this.#quit();
    else if (name === "tab") this.#change({ view: next(["all", ...SECTIONS], this.#state.view), first: 0 });
    else if (name === "escape") this.#change({ view: "all", first: 0 });
    else if (name === "text") this.#type(text);
  }

  #type(text: string): void {
    const view = VIEW_KEYS[text];
    if (view !== undefined) this.#change({ view, first: 0 });
    else if (text === "q") this.#quit();
    else if (text === " ") this.#watch.pause();
    else if (text === "s") this.#change({ sort: next(SORTS, this.#state.sort) });
    else if (text === "w") this.#change({ window: next(WINDOW_NAMES, this.#state.window) });
  }

  #scrolled(key: KeyPress["name"]): number | null {
    const steps: Partial<Record<KeyPress["name"], number>> = {
      up: -1,
      down: 1,
      pageUp: -this.pageLength,
      pageDown: this.pageLength,
      home: Number.NEGATIVE_INFINITY,
      end: Number.POSITIVE_INFINITY,
    };
    const step = steps[key];
    if (step === undefined) return null;
    return Math.max(Math.min(this.#state.first + step, this.rows - this.pageLength), 0);
  }

  #change(change: Partial<TopState>): void {
    this.#state = { ...this.#state, ...change };
    for (const subscriber of this.#subscribers) subscriber();
  }
}

const VIEW_KEYS: Readonly<Record<string, TopState["view"] | undefined>> = {
  a: "all",
  l: "listeners",
  r: "routes",
  u: "upstreams",
  g: "plugins",
  c: "clients",
  p: "paths",
};

function next<T>(all: readonly T[], current: T): T {
  return all[(all.indexOf(current) + 1) % all.length]!;
}
