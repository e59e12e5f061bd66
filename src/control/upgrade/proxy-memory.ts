import type { ListenerSettings, Snapshot } from "../../config/snapshot.ts";
import type { StreamProxySettings } from "../../proxy/stream-proxy.ts";
import type { ListenerFaults } from "../../worker/orders.ts";
import type { ProxyInit, ProxyState } from "../steering.ts";
import { faultsInFile, stillSwitched } from "../switched-faults.ts";

/** A proxy, or the faults of a listener, as they were when the place was given away. */
interface RememberedProxy extends Pick<ProxyState, "name" | "protocol" | "listen" | "toxics" | "mode"> {
  readonly upstreams: readonly string[];
  readonly enabled: boolean;
  /** Faults on its routes that were switched. */
  readonly switched: ListenerFaults["switched"];
  /** And how its file had all of those. */
  readonly faults: ListenerFaults["switched"];
  /** What its file said, as text; null: it was made while the process ran. */
  readonly file: string | null;
}

type SteeredPart = Pick<Snapshot, "listeners" | "proxies">;

/** Something that is to be opened. */
export interface ProxyOpening {
  readonly init: ProxyInit;
  /** Its address is the other process's still, which shares it. */
  readonly isShared: boolean;
  readonly isOfFile: boolean;
}

/** As JSON has it. */
export function toProxyMemory(
  states: readonly ProxyState[],
  standing: readonly ListenerFaults[],
  snapshot: SteeredPart | null,
): RememberedProxy[] {
  const files = new Map([
    ...(snapshot?.listeners ?? []).map((listener) => [listener.name, textOf(listener)] as const),
    ...(snapshot?.proxies ?? []).map((proxy) => [proxy.name, textOf(proxy)] as const),
  ]);
  const inFile = new Map(snapshot?.listeners.map((listener) => [listener.name, faultsInFile(listener)]));
  return states.map(({ name, protocol, listen, upstream, enabled, toxics, mode }) => {
    const switched = standing.find((known) => known.name === name)?.switched ?? [];
    const faults = inFile.get(name) ?? [];
    const upstreams = upstream === "" ? [] : upstream.split(",");
    const file = files.get(name) ?? null;
    return { name, protocol, listen, upstreams, enabled, toxics, mode, switched, faults, file };
  });
}

/** What a file says of something that can be steered: where it says something else, that counts and not what was ordered. */
function textOf(settings: ListenerSettings | StreamProxySettings): string {
  const isHttp = "routes" in settings;
  return JSON.stringify(isHttp ? [settings.toxics, settings.mode] : settings);
}

/** What was ordered of proxies in the process whose place this one takes. */
export class ProxyMemory {
  readonly #known: ReadonlyMap<string, RememberedProxy>;

  /** @param memory what `toProxyMemory` gave; anything else is as nothing */
  constructor(memory: unknown) {
    const entries = Array.isArray(memory) ? memory.filter(isRemembered) : [];
    this.#known = new Map(entries.map((entry) => [entry.name, entry]));
  }

  /** The faults on clients' connections that a listener begins with. */
  faultsOf(listener: ListenerSettings): Pick<ListenerSettings, "toxics" | "mode"> {
    return this.#sameAs(listener) ?? listener;
  }

  /** Faults on the routes of a listener that are to be switched. */
  switchedOf(listener: ListenerSettings): ListenerFaults["switched"] {
    const known = this.#known.get(listener.name);
    return known === undefined ? [] : stillSwitched(known.switched, known.faults, faultsInFile(listener));
  }

  /** The TCP and UDP proxies of a file, and those that were made while the other process ran. */
  openings({ listeners, proxies }: SteeredPart): ProxyOpening[] {
    const names = new Set([...listeners, ...proxies].map(({ name }) => name));
    const made = [...this.#known.values()].filter(({ name, file }) => file === null && !names.has(name));
    return [
      ...proxies.map((proxy) => this.#toOpening(this.#toInit(proxy), true)),
      ...made.flatMap((proxy) => {
        const { name, protocol, listen, upstreams, enabled, toxics, mode } = proxy;
        if (protocol === "http") return [];
        return [this.#toOpening({ name, protocol, listen, upstreams, enabled, toxics, mode }, false)];
      }),
    ];
  }

  #toInit(proxy: StreamProxySettings): ProxyInit {
    const known = this.#sameAs(proxy);
    if (known === null) return proxy;
    const { toxics, mode, enabled, upstreams, listen } = known;
    return { ...proxy, toxics, mode, enabled, upstreams, listen };
  }

  #toOpening(init: ProxyInit, isOfFile: boolean): ProxyOpening {
    const isShared = this.#known
      .values()
      .some(({ protocol, enabled, listen }) => protocol === "udp" && enabled && listen === init.listen);
    return { init, isShared: isShared && init.protocol === "udp", isOfFile };
  }

  #sameAs(settings: ListenerSettings | StreamProxySettings): RememberedProxy | null {
    const known = this.#known.get(settings.name);
    return known !== undefined && known.file === textOf(settings) ? known : null;
  }
}

function isRemembered(value: unknown): value is RememberedProxy {
  if (typeof value !== "object" || value === null) return false;
  const { name, protocol, listen, upstreams, toxics, mode, switched, faults, file } =
    value as Partial<RememberedProxy>;
  const texts = [name, protocol, listen].every((text) => typeof text === "string");
  const lists = [upstreams, toxics, switched, faults].every(Array.isArray);
  return texts && lists && typeof mode === "object" && (file === null || typeof file === "string");
}
