import type { ServerInit } from "../server.ts";

/** Told what a discovery finds. */
export interface DiscoveryListener {
  /**
   * All servers that there are from now on, at least one, in a stable order. Only called when they differ from before,
   * and once more with the same ones when finding them works again after an error.
   */
  onServers(servers: readonly Required<ServerInit>[]): void;
  /**
   * Something didn't work: what is known stays, or what of it couldn't be found anew. `message` is a line for people
   * that says where and why. While the same goes on, it is said once.
   */
  onError(message: string): void;
}

/** Finds the servers of a group, again and again. */
export interface Discovery {
  /** Begins. Resolves when it has been tried once, whatever came of it. */
  start(listener: DiscoveryListener): Promise<void>;
  /** Ends; the listener hears nothing more. */
  stop(): void;
}
