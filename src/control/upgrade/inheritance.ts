import type { Estate, Memories } from "./estate.ts";
import { type HandedSockets, InheritedSockets } from "./inherited-sockets.ts";

/** What a process has from the one whose place it takes. */
export interface Inheritance {
  readonly sockets: InheritedSockets;
  readonly memories: Memories;
}

/**
 * @param estate null: there is nobody whose place it takes
 * @param lent sockets of the service manager
 */
export function toInheritance(estate: Estate | null, lent: readonly HandedSockets[] = []): Inheritance {
  const sockets = new InheritedSockets([...(estate?.sockets ?? []), ...lent]);
  return { sockets, memories: estate?.memories ?? {} };
}
