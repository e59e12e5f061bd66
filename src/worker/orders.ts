import type { ToxicChange } from "../chaos/faults.ts";
import type { Mode } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { TlsMaterial } from "../net/tls/listener-settings.ts";
import type { SharedPlugin } from "../plugins/plugin-set.ts";
import type { StreamProxySettings } from "../proxy/stream-proxy.ts";
import type { ServerRecord } from "../upstream/server.ts";
import type { RunSpec } from "./run-spec.ts";
import type { SharedMemory } from "./shared-memory.ts";

/** What a thread of the data plane can be told while it runs. Plain data. */
export type Order =
  | ProxyOrder
  /** Answered by an `HttpFaultState[]`: the faults on the routes of a listener. */
  | { readonly do: "httpFaults"; readonly listener: string }
  | {
      readonly do: "setHttpFault";
      readonly listener: string;
      readonly fault: string;
      readonly enabled: boolean;
    }
  /** The servers that an upstream has from now on; what is under way to others goes on. */
  | ({ readonly do: "setServers" } & UpstreamServers)
  /** What a listener's TLS is made of from now on; connections that stand go on with what they have. */
  | { readonly do: "setTls"; readonly owner: string; readonly material: TlsMaterial }
  /** Another file of a plugin, for connections from now on. */
  | { readonly do: "setPlugin"; readonly plugin: SharedPlugin }
  /** Gets ready to run something else; answered by a `ReadyToSwap`. Nothing has changed yet, nor when it can't be done. */
  | ({ readonly do: "prepare" } & NextForThread)
  /** Runs it, at once; answered by `Holding[]`. */
  | { readonly do: "commit" }
  /** Forgets it. */
  | { readonly do: "abandon" }
  /** Others are about to listen on the same addresses: what belongs to sessions without connections goes on coming here. */
  | { readonly do: "keepSessions" }
  /** To one that was started in reserve: listens, and answers as `commit` does. */
  | { readonly do: "listen" }
  /** Nothing; answered by null, whatever else there is to do. */
  | { readonly do: "ping" }
  /** Whether events are to be sent. */
  | { readonly do: "watch"; readonly on: boolean };

/** What a thread is to run in the place of what it runs. */
export interface NextForThread {
  readonly spec: RunSpec;
  readonly shared: SharedMemory;
  readonly standing: Standing;
  readonly same: SameMemory;
  /** Milliseconds that connections get whose listener isn't there any more. */
  readonly grace: number;
}

/** What of the shared memory is the same as before: names of upstreams, of limits, and of caches. */
export interface SameMemory {
  readonly groups: readonly string[];
  readonly limits: readonly string[];
  readonly caches: readonly string[];
}

/** What a thread that is ready to swap, or to listen, has found out. */
export interface ReadyToSwap {
  /** What listeners will listen on. */
  readonly addresses: readonly string[];
  /** The same for TCP and UDP proxies, by name. */
  readonly proxies: readonly ProxyAddress[];
}

export type ProxyAddress = readonly [name: string, address: string];

/** All servers of an upstream. */
export interface UpstreamServers {
  readonly upstream: string;
  readonly servers: readonly ServerRecord[];
}

/** What concerns TCP and UDP proxies, and the faults on clients' connections. */
export type ProxyOrder =
  /**
   * Opens a TCP or UDP proxy with its toxics and mode; answered by the bound address. `isShared`: another process has the address,
   * too, and shares it.
   */
  | { readonly do: "open"; readonly settings: StreamProxySettings; readonly isShared?: boolean }
  /** Closes it with its connections; its toxics go too. */
  | { readonly do: "close"; readonly proxy: string }
  | { readonly do: "addToxic"; readonly proxy: string; readonly toxic: ToxicSettings }
  | {
      readonly do: "updateToxic";
      readonly proxy: string;
      readonly toxic: string;
      readonly change: ToxicChange;
    }
  | { readonly do: "removeToxic"; readonly proxy: string; readonly toxic: string }
  | { readonly do: "setMode"; readonly proxy: string; readonly mode: Mode }
  /** Resets one connection, or all when none is named. */
  | { readonly do: "cut"; readonly proxy: string; readonly connection: string | null }
  /** Answered by a `ConnectionState[]`. */
  | { readonly do: "connections"; readonly proxy: string }
  /** Answered by a `ProxyTraffic[]`. */
  | { readonly do: "traffic" };

/** A fault on a route that was switched on or off while it ran. */
export type SwitchedFault = readonly [name: string, enabled: boolean];

/** Faults on a listener that a configuration or program opened itself. */
export interface ListenerFaults {
  readonly name: string;
  readonly toxics: readonly ToxicSettings[];
  readonly mode: Mode;
  /** Faults on its routes that were switched, and how they stand. */
  readonly switched: readonly SwitchedFault[];
}

/** What concerns proxies of what a thread that starts has to catch up with. */
export interface StandingProxies {
  readonly proxies: readonly StreamProxySettings[];
  readonly listeners: readonly ListenerFaults[];
  readonly watched: boolean;
}

/** What a thread that starts has to catch up with: what was ordered of those that started before it. */
export interface Standing extends StandingProxies {
  readonly upstreams: readonly UpstreamServers[];
  readonly plugins: readonly SharedPlugin[];
}

export const NOTHING_STANDING: Standing = {
  ...{ proxies: [], listeners: [], watched: false },
  ...{ upstreams: [], plugins: [] },
};
