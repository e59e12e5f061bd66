import type { ServerInit } from "../server.ts";

/** Told what a discovery finds. */
export interface DiscoveryListener {
  /** All servers that there are from now on, in a stable order; only called when they differ from before. */
  onServers(servers: readonly Required<ServerInit>[]): void;
  /** It didn't work this time: what is known stays. `message` is a line for people that says where and why. */
  onError(message: string): void;
}

/** Finds the servers of a group, again and again. */
export interface Discovery {
  /** Begins. Resolves when it has been tried once, whatever came of it. */
  start(listener: DiscoveryListener): Promise<void>;
  /** Ends; the listener hears nothing more. */
  stop(): void;
}
