import type { Estate, Memories } from "./estate.ts";
import { InheritedSockets } from "./inherited-sockets.ts";

/** What a process has from the one whose place it takes. */
export interface Inheritance {
  readonly sockets: InheritedSockets;
  readonly memories: Memories;
}

/** @param estate null: there is nobody whose place it takes */
export function toInheritance(estate: Estate | null): Inheritance {
  return { sockets: new InheritedSockets(estate?.sockets), memories: estate?.memories ?? {} };
}
