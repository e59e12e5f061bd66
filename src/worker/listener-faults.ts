import type { Faults } from "../chaos/faults.ts";
import type { Snapshot } from "../config/snapshot.ts";
import type { FaultMemories } from "../filters/faults/fault-counts.ts";
import { type HttpFaultState, HttpFaults } from "../filters/faults/http-faults.ts";
import type { SwitchedFault } from "./orders.ts";

/** The faults of the listeners of a configuration, in one thread: those on connections and those on routes. */
export class ListenerFaultTable {
  readonly #faultsOf: (listener: string) => Faults;
  readonly #seed: string;
  readonly #counts: FaultMemories | null;
  readonly #onRoutes = new Map<string, HttpFaults>();

  /** @param counts what all threads count requests in; null for none */
  constructor(faultsOf: (listener: string) => Faults, seed: string, counts: FaultMemories | null) {
    this.#faultsOf = faultsOf;
    this.#seed = seed;
    this.#counts = counts;
  }

  /** Those on clients' connections. */
  onConnections(listener: string): Faults {
    return this.#faultsOf(listener);
  }

  /** Those on the routes of a listener of `snapshot`, made when they are asked for first. */
  onRoutes(snapshot: Snapshot, listener: string): HttpFaults {
    return this.#onRoutes.getOrInsertComputed(listener, () => {
      const counts = this.#counts === null ? {} : { counts: this.#counts };
      return new HttpFaults(snapshot, listener, { seed: this.#seed, ...counts });
    });
  }

  /** What can be switched on a listener; nothing on one that has no routes here. */
  list(listener: string): HttpFaultState[] {
    return this.#onRoutes.get(listener)?.list() ?? [];
  }

  /** @throws RangeError when there is no such fault */
  setEnabled(listener: string, fault: string, enabled: boolean): void {
    this.#routesOf(listener).setEnabled(fault, enabled);
  }

  /** What was switched before this thread began stands here too, as far as there is such a fault; others go on counting. */
  catchUp(listener: string, switched: readonly SwitchedFault[]): void {
    const faults = this.#onRoutes.get(listener);
    const known = new Set(faults?.list().map(({ name }) => name));
    for (const [fault, enabled] of switched) if (known.has(fault)) faults?.setEnabled(fault, enabled, true);
  }

  #routesOf(listener: string): HttpFaults {
    const faults = this.#onRoutes.get(listener);
    if (faults === undefined) throw new RangeError(`${listener} has no faults on routes`);
    return faults;
  }
}
