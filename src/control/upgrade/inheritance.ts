import type { Engine } from "../planes.ts";
import type { Estate, Memories } from "./estate.ts";
import { type HandedSockets, InheritedSockets } from "./inherited-sockets.ts";

/** What a process has from the one whose place it takes. */
export interface Inheritance {
  readonly sockets: InheritedSockets;
  readonly memories: Memories;
  /** The process that it is; null: nobody's place is taken. */
  readonly predecessor: number | null;
  /** Ends what has begun when the rest can't begin. */
  readonly end: EndOfFailed;
}

/** How a data plane ends that can't begin as a whole: somebody may be connected to it already. */
type EndOfFailed = (begun: Pick<Engine, "retire" | "stop">, reason: Error) => Promise<void>;

/**
 * @param estate null: there is nobody whose place it takes
 * @param lent sockets of the service manager
 * @param end by default at once
 * @param predecessor the process whose estate it is
 */
export function toInheritance(
  estate: Estate | null,
  lent: readonly HandedSockets[] = [],
  end: EndOfFailed = (begun) => begun.stop(),
  predecessor: number | null = null,
): Inheritance {
  const sockets = new InheritedSockets([...(estate?.sockets ?? []), ...lent]);
  return { sockets, memories: estate?.memories ?? {}, end, predecessor };
}
