import { closeSync } from "node:fs";

/** An address that is listened on, and the sockets that are bound to it. */
export interface HandedSockets {
  /** Which listener it is for. */
  readonly owner: string;
  /** With the port that it got. */
  readonly address: string;
  /** One or more; on TCP each has a queue of connections of its own. */
  readonly descriptors: readonly number[];
  /** True when they are somebody else's, who has only lent them: the service manager. */
  readonly isForeign?: boolean;
}

/**
 * The listening sockets that a process has from the one before it, or from the service manager. They are found by their address; what nobody has asked for
 * once everything is listened on is closed, for a socket that nobody accepts from keeps clients waiting.
 */
export class InheritedSockets {
  readonly #rest: Set<HandedSockets>;
  #areOurs = false;

  constructor(sockets: readonly HandedSockets[] = []) {
    this.#rest = new Set(sockets);
  }

  /** Those that are bound to `address`, from now on the caller's; null when there are none. */
  takeAt(address: string): HandedSockets | null {
    return this.#take((sockets) => sockets.address === address);
  }

  /** Those of a listener that leaves its port to the kernel: it goes on with the one it got. */
  takeOf(owner: string): HandedSockets | null {
    return this.#take((sockets) => sockets.owner === owner);
  }

  /** Whether the files of Unix sockets go with them when they are closed here. Until `own` they are the other process's, which may go on. */
  get areOurs(): boolean {
    return this.#areOurs;
  }

  /** The place is ours. */
  own(): void {
    this.#areOurs = true;
  }

  #take(isMeant: (sockets: HandedSockets) => boolean): HandedSockets | null {
    const found = this.#rest.values().find(isMeant) ?? null;
    if (found !== null) this.#rest.delete(found);
    return found;
  }

  /** Closes what nobody took; returns its addresses. */
  closeRest(): string[] {
    const rest = [...this.#rest];
    this.#rest.clear();
    for (const descriptor of rest.flatMap(({ descriptors }) => descriptors)) closeSync(descriptor);
    return rest.map(({ address }) => address);
  }
}
