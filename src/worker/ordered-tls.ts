import type { TlsListenerSettings, TlsMaterial, TlsSource } from "../net/tls/listener-settings.ts";

/** Asks the main thread for what a listener's TLS is made of. */
export type TlsAsker = (owner: string, settings: TlsListenerSettings) => Promise<TlsMaterial>;

type OnChange = (material: TlsMaterial) => void;

/** The TLS of a thread's listeners: asked for once, and exchanged by order from then on. */
export class OrderedTls implements TlsSource {
  readonly #ask: TlsAsker;
  readonly #users = new Map<string, OnChange>();
  readonly #stages = new Set<StagedTls>();

  constructor(ask: TlsAsker) {
    this.#ask = ask;
  }

  open(owner: string, settings: TlsListenerSettings, onChange: OnChange): Promise<TlsMaterial> {
    return this.#open(owner, settings, (known) => void this.#users.set(known, onChange));
  }

  async #open(
    owner: string,
    settings: TlsListenerSettings,
    note: (owner: string) => void,
  ): Promise<TlsMaterial> {
    const material = await this.#ask(owner, settings);
    // What is ordered before the answer comes is no newer than the answer.
    note(owner);
    return material;
  }

  /** For listeners of which it isn't known yet whether they will be: those that there are go on meanwhile. */
  stage(): StagedTls {
    const users = new Map<string, OnChange>();
    const stage: StagedTls = {
      open: (owner, settings, onChange) =>
        this.#open(owner, settings, (known) => void users.set(known, onChange)),
      set: (owner, material) => users.get(owner)?.(material),
      commit: () => {
        this.#stages.delete(stage);
        for (const [owner, onChange] of users) this.#users.set(owner, onChange);
      },
      abandon: () => void this.#stages.delete(stage),
    };
    this.#stages.add(stage);
    return stage;
  }

  /** Has `owner` use other material; whoever isn't open here gets it when it opens. */
  set(owner: string, material: TlsMaterial): void {
    this.#users.get(owner)?.(material);
    for (const stage of this.#stages) stage.set(owner, material);
  }

  /** Orders for `owner` concern nobody any more. */
  close(owner: string): void {
    this.#users.delete(owner);
  }
}

/** Where those get their TLS who are to take others' place. */
export interface StagedTls extends TlsSource {
  set(owner: string, material: TlsMaterial): void;
  /** Whoever opened the same owner here has its place from now on. */
  commit(): void;
  abandon(): void;
}

/** The same for those who are called otherwise here. */
export function renamed(source: TlsSource, toOwner: (name: string) => string): TlsSource {
  return { open: (name, settings, onChange) => source.open(toOwner(name), settings, onChange) };
}
