import { directionOf } from "../chaos/faults.ts";
import { ALLOW, type Mode } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import type { ListenerFaults, StandingProxies, SwitchedFault } from "../worker/orders.ts";
import type { ProxyState } from "./steering.ts";

/** A proxy as it is known here: the one place where all threads' state comes from. */
export interface ProxyEntry {
  readonly name: string;
  /** Null for a listener that a configuration opened. */
  settings: StreamProxySettings | null;
  /** Where a listener of a configuration listens. */
  boundElsewhere: string;
  /** While enabled. */
  address: string | null;
  toxics: readonly ToxicSettings[];
  mode: Mode;
  /** Faults on its routes that were switched. */
  switched: readonly SwitchedFault[];
}

export const NEW_ENTRY: Omit<ProxyEntry, "name"> = {
  settings: null,
  boundElsewhere: "",
  address: null,
  toxics: [],
  mode: ALLOW,
  switched: [],
};

/** What a thread that starts has to begin with. */
export function toStanding(entries: Iterable<ProxyEntry>): Pick<StandingProxies, "proxies" | "listeners"> {
  const all = [...entries];
  return {
    proxies: all.filter(({ address }) => address !== null).map(currentSettings),
    listeners: all.filter(({ settings }) => settings === null).map(toListenerFaults),
  };
}

/** What a thread opens it with. */
export function currentSettings({ settings, toxics, mode }: ProxyEntry): StreamProxySettings {
  return { ...settings!, toxics, mode };
}

function toListenerFaults({ name, toxics, mode, switched }: ProxyEntry): ListenerFaults {
  return { name, toxics, mode, switched };
}

export function toState({ name, settings, boundElsewhere, address, toxics, mode }: ProxyEntry): ProxyState {
  const ordered = inDirectionOrder(toxics);
  if (settings === null) {
    return {
      name,
      protocol: "http",
      listen: boundElsewhere,
      upstream: "",
      enabled: true,
      toxics: ordered,
      mode,
    };
  }
  const { protocol, listen, upstreams } = settings;
  const upstream = upstreams.join(",");
  return {
    name,
    protocol,
    listen: address ?? listen,
    upstream,
    enabled: address !== null,
    toxics: ordered,
    mode,
  };
}

/** Upstream first, then downstream, each in the order in which they act. */
function inDirectionOrder(toxics: readonly ToxicSettings[]): ToxicSettings[] {
  const { upstream = [], downstream = [] } = Object.groupBy(toxics, directionOf);
  return [...upstream, ...downstream];
}
