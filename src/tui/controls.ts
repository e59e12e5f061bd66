import { ALLOW, type Mode } from "../chaos/mode.ts";
import type { KeyPress } from "./keys.ts";
import { type Menu, openMenu, press, type Wish } from "./menu.ts";
import { describeMode } from "./modes.ts";
import type { Watch } from "./watch.ts";

/** What the keys have made of the screen. */
export interface ControlState {
  readonly menu: Menu;
  /** The connection that the table begins with. */
  readonly firstConnection: number;
}

/** Takes keys, and does what they ask for. */
export class Controls {
  readonly #watch: Watch;
  readonly #onQuit: () => void;
  readonly #subscribers = new Set<() => void>();
  #state: ControlState;
  #pageLength = 1;

  constructor(watch: Watch, onQuit: () => void) {
    this.#watch = watch;
    this.#onQuit = onQuit;
    this.#state = { menu: openMenu(this.#running), firstConnection: 0 };
  }

  /** The same object until something changes. */
  get state(): ControlState {
    return this.#state;
  }

  /** Connections that the table has room for, which is how far a page scrolls. */
  set pageLength(rows: number) {
    this.#pageLength = Math.max(rows, 1);
  }

  subscribe(subscriber: () => void): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  press(key: KeyPress): void {
    const { menu, wish } = press(this.#state.menu, key, this.#running);
    this.#change({ menu });
    if (wish !== null) this.#fulfil(wish);
  }

  get #running(): Mode {
    return this.#watch.proxy?.mode ?? ALLOW;
  }

  #fulfil(wish: Wish): void {
    switch (wish.do) {
      case "quit":
        this.#onQuit();
        return;
      case "scroll":
        this.#scroll(wish.pages);
        return;
      case "nextProxy":
        this.#watch.nextProxy();
        this.#change({ menu: openMenu(this.#running), firstConnection: 0 });
        return;
      case "cut":
        void this.#watch.order("cut all connections", (steering, proxy) => steering.cut(proxy));
        return;
      case "setMode":
        this.#setMode(wish.mode);
        return;
    }
  }

  #setMode(mode: Mode): void {
    const cuts = mode.kind === "deny" && mode.cut ? ", connections cut" : "";
    void this.#watch.order(`mode ${describeMode(mode)}${cuts}`, (steering, proxy) =>
      steering.setMode(proxy, mode),
    );
  }

  #scroll(pages: number): void {
    const last = Math.max(this.#watch.sight.connections.length - this.#pageLength, 0);
    const first = this.#state.firstConnection + pages * this.#pageLength;
    this.#change({ firstConnection: Math.min(Math.max(first, 0), last) });
  }

  #change(change: Partial<ControlState>): void {
    this.#state = { ...this.#state, ...change };
    for (const subscriber of this.#subscribers) subscriber();
  }
}
