import { EventEmitter, once } from "node:events";
import type { DiscoveryListener } from "../../src/upstream/discovery/discovery.ts";
import type { ServerInit } from "../../src/upstream/server.ts";
import { patience, withDeadline } from "./deadline.ts";

/** Notes what a discovery tells. */
export class HeardNews implements DiscoveryListener {
  /** All lists, oldest first. */
  readonly lists: (readonly Required<ServerInit>[])[] = [];
  readonly errors: string[] = [];
  readonly #events: EventEmitter = new EventEmitter();

  onServers(servers: readonly Required<ServerInit>[]): void {
    this.lists.push(servers);
    this.#events.emit("news");
  }

  onError(message: string): void {
    this.errors.push(message);
    this.#events.emit("news");
  }

  /** The addresses of the list that was told last; none before the first. */
  get addresses(): string[] {
    return (this.lists.at(-1) ?? []).map(({ address }) => address);
  }

  /** Resolves when so many lists were told in all. */
  untilLists(count: number): Promise<void> {
    return this.#until(`list ${count}`, () => this.lists.length >= count);
  }

  /** Resolves when so many errors were told in all. */
  untilErrors(count: number): Promise<void> {
    return this.#until(`error ${count}`, () => this.errors.length >= count);
  }

  async #until(what: string, isThere: () => boolean): Promise<void> {
    const all = (): string => `${what}; so far: ${JSON.stringify([this.lists, this.errors])}`;
    while (!isThere()) await withDeadline(once(this.#events, "news"), patience, all);
  }
}
