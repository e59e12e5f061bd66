import type { TlsListenerSettings, TlsMaterial, TlsSource } from "../net/tls/listener-settings.ts";

/** Asks the main thread for what a listener's TLS is made of. */
export type TlsAsker = (owner: string, settings: TlsListenerSettings) => Promise<TlsMaterial>;

/** The TLS of a thread's listeners: asked for once, and exchanged by order from then on. */
export class OrderedTls implements TlsSource {
  readonly #ask: TlsAsker;
  readonly #users = new Map<string, (material: TlsMaterial) => void>();

  constructor(ask: TlsAsker) {
    this.#ask = ask;
  }

  async open(
    owner: string,
    settings: TlsListenerSettings,
    onChange: (material: TlsMaterial) => void,
  ): Promise<TlsMaterial> {
    const material = await this.#ask(owner, settings);
    // What is ordered before the answer comes is no newer than the answer.
    this.#users.set(owner, onChange);
    return material;
  }

  /** The same for those who are called otherwise here. */
  renamed(toOwner: (name: string) => string): TlsSource {
    return { open: (name, settings, onChange) => this.open(toOwner(name), settings, onChange) };
  }

  /** Has `owner` use other material; whoever isn't open here gets it when it opens. */
  set(owner: string, material: TlsMaterial): void {
    this.#users.get(owner)?.(material);
  }

  /** Orders for `owner` concern nobody any more. */
  close(owner: string): void {
    this.#users.delete(owner);
  }
}
