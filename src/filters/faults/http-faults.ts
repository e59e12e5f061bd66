import { seededRandom } from "../../base/random.ts";
import type { MaybePromise } from "../../proxy/phases.ts";
import type { Session } from "../../proxy/session.ts";
import { SessionMatcher } from "../matchers/session-matcher.ts";
import type { ListenerRoutes, ProxySettings } from "../settings.ts";
import { allocateFaultCounts, type FaultMemories, faultCounts } from "./fault-counts.ts";
import { HttpFault } from "./http-fault.ts";
import { compileFaults } from "./strike.ts";

/** A fault on a route as whoever steers it sees it. Plain data. */
export interface HttpFaultState {
  /** Unique within its listener. */
  readonly name: string;
  /** The name of the route it stands at. */
  readonly route: string;
  readonly enabled: boolean;
  /** Requests that it has struck, in this thread. */
  readonly hits: number;
}

export interface HttpFaultsOptions {
  /** The same seed draws the same lots, request by request. Threads that are to draw apart need one each. */
  readonly seed: string;
  /** What `allocateFaultCounts` made for the same settings, shared by all threads. Default: they are counted here alone. */
  readonly counts?: FaultMemories;
}

type RequestFilter = (session: Session<unknown>) => MaybePromise<unknown>;

/** The faults on the routes of one listener, in one thread: each can be switched on and off by its name. */
export class HttpFaults {
  readonly #byName = new Map<string, { readonly route: string; readonly fault: HttpFault }>();
  /** By the route's place. */
  readonly #byRoute: readonly (readonly HttpFault[])[];

  /** @throws RangeError when there is no such listener */
  constructor(settings: ProxySettings, listenerName: string, { seed, counts }: HttpFaultsOptions) {
    const listener = listenerOf(settings, listenerName);
    const memory = counts ?? allocateFaultCounts(settings);
    const own = faultCounts(settings, listenerName, memory).values();
    const matcher = new SessionMatcher(listener.forwarding.trustedProxies);
    this.#byRoute = listener.routes.map((route) =>
      route.faults.map((one) => {
        const fault = new HttpFault(one, {
          matches: matcher.compile(one.match),
          count: own.next().value!,
          random: seededRandom(`${seed}/${listenerName}/http/${one.name}`),
        });
        this.#byName.set(one.name, { route: route.name, fault });
        return fault;
      }),
    );
  }

  /** In the order of the configuration. */
  list(): HttpFaultState[] {
    return [...this.#byName].map(([name, { route, fault }]) => {
      return { name, route, enabled: fault.enabled, hits: fault.hits };
    });
  }

  /**
   * Switches a fault on or off; what it has begun it ends. Switched on, it begins to count anew.
   * @param keepsCount true in a thread that only catches up with others, which count on
   * @throws RangeError when there is none of that name
   */
  setEnabled(name: string, enabled: boolean, keepsCount: boolean = false): void {
    const known = this.#byName.get(name);
    if (known === undefined) throw new RangeError(`There is no fault ${JSON.stringify(name)}`);
    known.fault.setEnabled(enabled, keepsCount);
  }

  /** @internal what the route at this place does with a request, behind its faults; `proceed` itself when it has none */
  before(routeIndex: number, proceed: RequestFilter | null): RequestFilter | null {
    const faults = this.#byRoute[routeIndex] ?? [];
    return faults.length === 0 ? proceed : compileFaults(faults, proceed);
  }
}

/** @throws RangeError when there is no such listener */
export function listenerOf({ listeners }: ProxySettings, name: string): ListenerRoutes {
  const listener = listeners.find((one) => one.name === name);
  if (listener === undefined) throw new RangeError(`There is no listener ${JSON.stringify(name)}`);
  return listener;
}
