/** Finds what belongs to a server's name: the name itself, then the wildcard over it. */
export class NameTable<T> {
  readonly #byName: ReadonlyMap<string, T>;

  /** @param entries by names and wildcards of one label (`*.example.com`), as `toServerPattern` writes them */
  constructor(entries: Iterable<readonly [name: string, value: T]>) {
    this.#byName = new Map(entries);
  }

  /** Null when `serverName` is none of the names, and under none of the wildcards. */
  find(serverName: string): T | null {
    const exact = this.#byName.get(serverName);
    if (exact !== undefined) return exact;
    const dot = serverName.indexOf(".");
    // A wildcard stands for exactly one label (RFC 6125 §6.4.3).
    return dot === -1 ? null : (this.#byName.get(`*${serverName.slice(dot)}`) ?? null);
  }
}
