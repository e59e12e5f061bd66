import type { Random } from "../base/random.ts";
import type { Address } from "../net/address.ts";
import { checkGroup } from "./check-group.ts";
import type { Discovery } from "./discovery/discovery.ts";
import {
  type BalancingPolicyName,
  DEFAULT_GROUP,
  type DiscoverySettings,
  type GroupLimits,
  type GroupSettings,
  type HealthCheckSettings,
  type OutlierSettings,
} from "./group-settings.ts";
import type { GroupEvent } from "./group-status.ts";
import type { Probe, ProbeResult } from "./health/probe.ts";
import type { PeerTlsOptions } from "./peer-tls.ts";
import { type ServerInit, toInit } from "./server.ts";

/** What a key can be made of when a policy hashes and nothing else was said: a `Session` is one. */
export interface SessionLike {
  readonly client: { readonly address: string };
}

type CheckTimes = Pick<
  HealthCheckSettings,
  "interval" | "jitter" | "timeout" | "rise" | "fall" | "port" | "proxy" | "localAddress"
>;

type Friendly<S> = S extends { readonly kind: infer K }
  ? { readonly kind: K; readonly tls?: PeerTlsOptions } & Partial<Omit<S, "kind" | "tls">>
  : never;

/**
 * A way of your own to see whether a server is well: true, false, or what a probe says. Throwing says no, and so does taking
 * longer than `timeout`: then the signal is aborted, and the next one comes in its time whatever becomes of this one.
 */
export type OwnProbe = (address: Address, signal: AbortSignal) => Promise<ProbeResult | boolean>;

/** How servers are asked whether they are well; what is left out has the defaults of `HealthCheckSettings`. */
export type HealthCheckOptions =
  | Friendly<HealthCheckSettings>
  | (Partial<CheckTimes> & { readonly probe: OwnProbe });

/** Times in milliseconds; see `GroupSettings` for what each means, and for its default. */
export interface LoadBalancerOptions<S extends object = SessionLike> {
  /** What events and errors call it. Default `balancer`. */
  readonly name?: string;
  /** Default `round_robin`. */
  readonly policy?: BalancingPolicyName;
  /** What requests are kept together by, where the policy hashes. Default: the client's address. */
  readonly hashBy?: (session: S) => string | Uint8Array | null;
  /** The zone of this proxy. */
  readonly zone?: string;
  /** All have to find a server well. The first probe of a server comes when one interval has passed. */
  readonly healthCheck?: HealthCheckOptions | readonly HealthCheckOptions[];
  /** Takes servers out that fail requests. `true`: with its defaults. Default: off. */
  readonly outliers?: boolean | Partial<OutlierSettings>;
  readonly slowStart?: number;
  readonly panic?: number;
  /** Finds the servers: one of those that there are, or your own. */
  readonly discovery?: DiscoverySettings | Discovery;
  readonly limits?: Partial<GroupLimits>;
  readonly serverLimits?: Partial<GroupSettings["serverLimits"]>;
  readonly retryBudget?: GroupSettings["retryBudget"];
  /** Servers that there may ever be at once. Default 256, or twice those of the beginning. */
  readonly mostServers?: number;
  /** Hears what happens to servers. What it throws becomes a warning of the process. */
  readonly onEvent?: (event: GroupEvent) => void;
  /** Where chance comes from. Default: a seed of its own. */
  readonly random?: Random;
}

const DEFAULT_TIMES: CheckTimes = {
  interval: 10_000,
  jitter: 0.1,
  timeout: 2_000,
  rise: 1,
  fall: 1,
  port: null,
};

const DEFAULT_OUTLIERS: OutlierSettings = {
  consecutive: 5,
  statuses: [],
  ratio: 0,
  window: 10_000,
  minimumRequests: 20,
  ejection: 10_000,
  longestEjection: 300_000,
  mostEjected: 0.5,
};

const LEAST_SLOTS = 256;

/** What a group is made of, and the parts of it that are no data. */
export interface GroupPlan {
  readonly settings: GroupSettings;
  /** Probes of one's own, by the settings that stand in their place. */
  readonly probes: ReadonlyMap<HealthCheckSettings, Probe>;
  readonly discovery: Discovery | null;
}

export function planGroup<S extends object>(
  servers: readonly (string | ServerInit)[],
  options: LoadBalancerOptions<S>,
): GroupPlan {
  const { healthCheck = [], discovery = null, limits, serverLimits, zone = null } = options;
  const { policy = DEFAULT_GROUP.policy, slowStart = 0, panic = 0, retryBudget = null } = options;
  const checks = [healthCheck].flat().map(planCheck);
  const own = discovery !== null && "start" in discovery ? discovery : null;
  const settings: GroupSettings = {
    ...{ policy, zone, slowStart, panic, retryBudget },
    servers: servers.map(toInit),
    discovery: own === null ? (discovery as DiscoverySettings | null) : STAND_IN,
    mostServers: options.mostServers ?? Math.max(LEAST_SLOTS, 2 * servers.length),
    checks: checks.map(({ settings: check }) => check),
    outliers: planOutliers(options.outliers ?? false),
    limits: { ...DEFAULT_GROUP.limits, ...limits },
    serverLimits: { ...DEFAULT_GROUP.serverLimits, ...serverLimits },
  };
  checkGroup(settings);
  const probes = checks.flatMap(({ settings: check, probe }) => (probe ? [[check, probe] as const] : []));
  return { settings, probes: new Map(probes), discovery: own };
}

/** Says that there is a discovery; which one is known to whoever has made it. */
const STAND_IN: DiscoverySettings = { kind: "file", path: "" };

function planOutliers(outliers: boolean | Partial<OutlierSettings>): OutlierSettings | null {
  if (outliers === false) return null;
  return { ...DEFAULT_OUTLIERS, ...(outliers === true ? {} : outliers) };
}

const KINDS = "tcp, tls, http and grpc";

/** What a program without types may have written. */
type CheckKind = { readonly kind: unknown };

interface CheckPlan {
  readonly settings: HealthCheckSettings;
  readonly probe?: Probe;
}

function planCheck(options: HealthCheckOptions): CheckPlan {
  if ("probe" in options) {
    const { probe, ...times } = options;
    return { settings: { ...DEFAULT_TIMES, ...times, kind: "tcp" }, probe: new ProgramProbe(probe) };
  }
  const { tls = null } = options;
  const common = { ...DEFAULT_TIMES, ...options };
  switch (common.kind) {
    case "tcp":
      return { settings: { ...common, kind: "tcp" } };
    case "tls":
      return { settings: { ...common, kind: "tls", tls: tls ?? {} } };
    case "http":
      return { settings: { ...DEFAULT_HTTP, ...common, tls } };
    case "grpc":
      return { settings: { service: "", ...common, tls } };
    default:
      throw new RangeError(`There is no health check ${(common as CheckKind).kind}: there are ${KINDS}`);
  }
}

const DEFAULT_HTTP = {
  method: "GET",
  path: "/",
  headers: [],
  expect: [{ first: 200, last: 299 }],
  body: null,
} as const;

class ProgramProbe implements Probe {
  readonly #probe: OwnProbe;

  constructor(probe: OwnProbe) {
    this.#probe = probe;
  }

  async run(address: Address, signal: AbortSignal): Promise<ProbeResult> {
    const { promise: isOver, resolve } = Promise.withResolvers<boolean>();
    // The checker counts it by itself; here it is only not waited for any longer.
    signal.addEventListener("abort", () => resolve(false), { once: true });
    const result = await Promise.race([this.#probe(address, signal), isOver]);
    if (typeof result !== "boolean") return result;
    return result ? { isHealthy: true } : { isHealthy: false, reason: "the program's probe says so" };
  }
}
