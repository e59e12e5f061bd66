import type { Discovery, DiscoveryListener } from "./discovery/discovery.ts";
import type { ServerInit } from "./server.ts";

/** Finds the servers of a group for whoever looks after it, which may be another one after a while. */
export class ServerFinder {
  /** Hears what is found. */
  listener: DiscoveryListener | null = null;
  /** What was found last; null before anything was. */
  found: readonly Required<ServerInit>[] | null = null;
  /** What it said last when it didn't work; null while it is well. */
  error: string | null = null;
  readonly #create: (() => Discovery) | null;
  /** Null while there is none, or none any more. */
  #discovery: Discovery | null;
  #isFinding = false;

  /**
   * @param create makes what finds them; null: there is nothing to find
   * @throws what `create` throws
   */
  constructor(create: (() => Discovery) | null) {
    this.#create = create;
    this.#discovery = create === null ? null : create();
  }

  /** Begins, unless it has begun. Kept when they have been looked for once. */
  async find(): Promise<void> {
    if (this.#isFinding || this.#create === null) return;
    this.#isFinding = true;
    this.#discovery ??= this.#create();
    await this.#discovery.start({
      onServers: (servers) => {
        this.error = null;
        this.found = servers;
        this.listener?.onServers(servers);
      },
      onError: (message) => {
        this.error = message;
        this.listener?.onError(message);
      },
    });
  }

  stop(): void {
    this.#isFinding = false;
    this.#discovery?.stop();
    this.#discovery = null;
  }
}
