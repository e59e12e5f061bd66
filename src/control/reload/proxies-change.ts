import { isDeepStrictEqual } from "node:util";
import type { Mode } from "../../chaos/mode.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import type { ListenerSettings, Snapshot } from "../../config/snapshot.ts";
import type { StreamProxySettings } from "../../proxy/stream-proxy.ts";
import type { Order, StandingProxies } from "../../worker/orders.ts";
import type { ProxyBook } from "../proxies.ts";
import { NEW_ENTRY, type ProxyEntry, toStanding } from "../proxy-entry.ts";
import { SteeringError } from "../steering.ts";
import { faultsInFile, stillSwitched } from "../switched-faults.ts";
import type { ReloadNote } from "./report.ts";

/** What of a configuration is steered. */
export type SteeredPart = Pick<Snapshot, "listeners" | "proxies">;

export const NOTHING_STEERED: SteeredPart = { listeners: [], proxies: [] };

/** The faults on clients' connections that a file gives a listener. */
interface FileFaults {
  readonly toxics: readonly ToxicSettings[];
  readonly mode: Mode;
}

/**
 * Proxies and the faults of listeners as they are to be by another configuration. What was ordered while it ran stays, unless
 * the file says something else than before on the very same thing; what was made by order stays in any case.
 *
 *     standing ─▶ (threads change over) ─▶ commit: entries, then faults that the file changed
 */
export class ProxiesChange {
  readonly notes: ReloadNote[] = [];
  readonly #book: ProxyBook;
  readonly #before: SteeredPart;
  readonly #after: SteeredPart;
  readonly #entries = new Map<string, ProxyEntry>();
  /** Faults that the file changed, by the names of listeners and proxies. */
  readonly #faults = new Map<string, FileFaults>();

  /** @throws SteeringError when a name is taken, or a toxic can't be */
  constructor(book: ProxyBook, before: SteeredPart, after: SteeredPart) {
    this.#book = book;
    this.#before = before;
    this.#after = after;
    for (const listener of after.listeners) this.#addListener(listener);
    const ofFiles = new Set([...before.listeners, ...before.proxies].map(({ name }) => name));
    for (const [name, entry] of book.entries) if (!ofFiles.has(name)) this.#entries.set(name, entry);
    for (const proxy of after.proxies) this.#addProxy(proxy);
  }

  /** What threads begin with: faults of what stays are those that there are. */
  get standing(): Pick<StandingProxies, "proxies" | "listeners"> {
    return toStanding(this.#entries.values());
  }

  /**
   * Threads have changed over.
   * @param listening where listeners listen, in their order
   * @param proxies where proxies do that are others than before
   */
  async commit(listening: readonly string[], proxies: ReadonlyMap<string, string>): Promise<void> {
    for (const [index, { name, bind }] of this.#after.listeners.entries())
      this.#entries.get(name)!.boundElsewhere = listening[index] ?? bind;
    for (const [name, address] of proxies) {
      const entry = this.#entries.get(name);
      if (entry?.settings == null) continue;
      entry.address = address;
      entry.settings = { ...entry.settings, listen: address };
    }
    this.#book.replaceBy(this.#entries);
    const changes = [...this.#faults].map(([name, faults]) =>
      this.#orderFaults(this.#entries.get(name)!, faults),
    );
    await Promise.all(changes);
  }

  async #orderFaults(entry: ProxyEntry, { toxics, mode }: FileFaults): Promise<void> {
    const proxy = entry.name;
    const before = entry.toxics;
    entry.toxics = toxics;
    entry.mode = mode;
    if (entry.settings !== null && entry.address === null) return;
    const orders: Order[] = [
      ...before.map(({ name: toxic }) => ({ do: "removeToxic", proxy, toxic }) as const),
      ...toxics.map((toxic) => ({ do: "addToxic", proxy, toxic }) as const),
      { do: "setMode", proxy, mode },
    ];
    // Threads do them in this order: one that can't yet does the others too.
    await Promise.all(orders.map((order) => this.#book.order(order)));
  }

  #addListener(listener: ListenerSettings): void {
    const { name, bind } = listener;
    const before = this.#before.listeners.find((known) => known.name === name);
    const entry = this.#book.entries.get(name);
    if (before === undefined || entry === undefined || entry.settings !== null) {
      this.#refuseTaken(name);
      this.#entries.set(name, { ...NEW_ENTRY, name, boundElsewhere: bind, ...this.#faultsOf(listener) });
      return;
    }
    const switched = stillSwitched(entry.switched, faultsInFile(before), faultsInFile(listener));
    this.#entries.set(name, { ...entry, switched });
    this.#noteFaults(name, before, listener, entry);
  }

  #addProxy(settings: StreamProxySettings): void {
    const { name } = settings;
    const before = this.#before.proxies.find((known) => known.name === name);
    const entry = this.#book.entries.get(name);
    if (before === undefined || (entry !== undefined && entry.settings === null)) {
      this.#refuseTaken(name);
      this.#entries.set(name, this.#newEntry(settings));
    } else if (isDeepStrictEqual(before, settings)) {
      // Who removed it by order meant this very one.
      if (entry !== undefined) this.#entries.set(name, entry);
    } else if (entry === undefined) {
      this.#entries.set(name, this.#newEntry(settings));
    } else {
      this.#entries.set(name, { ...entry, settings: changedSettings(entry.settings!, before, settings) });
      this.#noteFaults(name, before, settings, entry);
    }
  }

  /** Where it listens is known when threads have changed over; until then it counts as enabled. */
  #newEntry(settings: StreamProxySettings): ProxyEntry {
    return {
      ...NEW_ENTRY,
      name: settings.name,
      settings,
      address: settings.listen,
      ...this.#faultsOf(settings),
    };
  }

  #faultsOf({ toxics, mode }: FileFaults): FileFaults {
    return { toxics: toxics.map((toxic) => this.#book.check(toxic)), mode };
  }

  #noteFaults(name: string, before: FileFaults, after: FileFaults, entry: ProxyEntry): void {
    if (isSameFaults(before, after)) return;
    const faults = this.#faultsOf(after);
    this.#faults.set(name, faults);
    const asBefore = this.#faultsOf(before);
    if (isSameFaults(asBefore, entry)) return;
    this.notes.push({
      path: `listeners[${name}]`,
      message:
        "its toxics and mode are those of the file again: what was ordered of them while it ran is forgotten",
    });
  }

  /** A name that was given by order belongs to whoever gave it. */
  #refuseTaken(name: string): void {
    const isOfFile = [...this.#before.listeners, ...this.#before.proxies].some(
      (known) => known.name === name,
    );
    if (isOfFile || !this.#book.entries.has(name)) return;
    const message = `listeners[${name}]: there is a proxy of this name that was made while it ran: give the listener another name, or remove that one`;
    throw new SteeringError("PROXY_EXISTS", message);
  }
}

/** What the file changed counts; where it says the same as before, what was ordered meanwhile does. */
function changedSettings(
  now: StreamProxySettings,
  before: StreamProxySettings,
  after: StreamProxySettings,
): StreamProxySettings {
  return {
    ...after,
    listen: before.listen === after.listen ? now.listen : after.listen,
    upstreams: isDeepStrictEqual(before.upstreams, after.upstreams) ? now.upstreams : after.upstreams,
  };
}

function isSameFaults(one: FileFaults, other: FileFaults): boolean {
  return isDeepStrictEqual([one.toxics, one.mode], [other.toxics, other.mode]);
}
