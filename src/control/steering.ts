import type { ToxicChange } from "../chaos/faults.ts";
import type { Mode } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";
import type { HttpFaultState } from "../filters/faults/http-faults.ts";
import type { ConnectionState, StreamEvent, StreamProxySettings } from "../proxy/stream-proxy.ts";

/** A proxy or listener as whoever steers it sees it. */
export interface ProxyState {
  readonly name: string;
  readonly protocol: "tcp" | "udp" | "http";
  /** The bound address while it is enabled, as it was written while it isn't. */
  readonly listen: string;
  /** Where it leads; several servers separated by commas, "" for an HTTP listener, whose routes lead somewhere. */
  readonly upstream: string;
  readonly enabled: boolean;
  readonly toxics: readonly ToxicSettings[];
  readonly mode: Mode;
}

/** What is needed to make a proxy; everything else has the defaults of the configuration. */
export interface ProxyInit extends Partial<Omit<StreamProxySettings, "name" | "listen" | "upstreams">> {
  readonly name: string;
  /** "" for any free port on all interfaces. */
  readonly listen: string;
  readonly upstreams: readonly string[];
  /** Default true. */
  readonly enabled?: boolean;
}

/** What isn't named stays. */
export interface ProxyChange {
  readonly listen?: string;
  readonly upstreams?: readonly string[];
  readonly enabled?: boolean;
}

/** What went wrong with an order, for whoever gave it. */
export class SteeringError extends Error {
  readonly code: SteeringProblem;

  constructor(code: SteeringProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SteeringError";
    this.code = code;
  }
}

export type SteeringProblem =
  | "PROXY_NOT_FOUND"
  | "PROXY_EXISTS"
  | "TOXIC_NOT_FOUND"
  | "TOXIC_EXISTS"
  | "TOXIC_TYPE_UNKNOWN"
  /** There is no such fault on a route. */
  | "FAULT_NOT_FOUND"
  /** A value that can't be: an address, an attribute. */
  | "INVALID"
  /** The address can't be listened on; `cause` has Node's error. */
  | "CANNOT_LISTEN"
  /** A thread doesn't answer. */
  | "BUSY"
  /** An HTTP listener's address, say, which only its configuration can change. */
  | "NOT_CHANGEABLE";

/**
 * Steers the proxies of a running process, in whichever threads they run. What was ordered is done in all threads when
 * the promise is kept. Rejects with a `SteeringError`, having changed nothing.
 */
export interface Steering {
  /** All proxies, by name. */
  list(): ProxyState[];
  /** @throws SteeringError PROXY_NOT_FOUND */
  get(name: string): ProxyState;
  create(init: ProxyInit): Promise<ProxyState>;
  /** Changing an address closes the connections and keeps the toxics. */
  update(name: string, change: ProxyChange): Promise<ProxyState>;
  /** Closes its connections too. */
  remove(name: string): Promise<void>;
  addToxic(proxy: string, toxic: ToxicSettings): Promise<ToxicSettings>;
  updateToxic(proxy: string, toxic: string, change: ToxicChange): Promise<ToxicSettings>;
  removeToxic(proxy: string, toxic: string): Promise<void>;
  setMode(proxy: string, mode: Mode): Promise<void>;
  /** Ends connections now, with a reset: one, or all. */
  cut(proxy: string, connection?: string): Promise<void>;
  /** The faults on the routes of an HTTP listener, with the requests that they struck in all threads. */
  httpFaults(listener: string): Promise<HttpFaultState[]>;
  /** Switches one of them; what it has begun it ends. Switched on, it begins to count anew. */
  setHttpFault(listener: string, fault: string, enabled: boolean): Promise<void>;
  connections(proxy: string): Promise<ConnectionState[]>;
  /** Hears what happens on all proxies, until the function that is returned is called. */
  onEvent(listener: (event: StreamEvent) => void): () => void;
}
