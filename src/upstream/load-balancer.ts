import { ProxyError } from "../base/errors.ts";
import { parseAddress } from "../net/address.ts";
import type { BalancingPolicy, Eligibility, Server } from "./balancers/balancing-policy.ts";
import { RoundRobin } from "./balancers/round-robin.ts";

/** A server as one writes it down. */
export interface ServerInit {
  /** `host:port`, `[v6]:port` or `unix:/path`. */
  readonly address: string;
  /** 1 to 1000, a whole number. Default 1. */
  readonly weight?: number;
}

export interface LoadBalancerOptions {
  /** Default `round_robin`. */
  readonly policy?: BalancingPolicyName;
}

export const BALANCING_POLICIES = ["round_robin"] as const;

export type BalancingPolicyName = (typeof BALANCING_POLICIES)[number];

export const MAX_WEIGHT = 1000;

const POLICIES: Readonly<Record<BalancingPolicyName, (servers: readonly Server[]) => BalancingPolicy>> = {
  round_robin: (servers) => new RoundRobin(servers),
};

/** A group of servers and how requests are spread over them. */
export class LoadBalancer {
  readonly servers: readonly Server[];
  readonly #policy: BalancingPolicy;

  /** @throws RangeError when there is no server, an address can't be read or a weight isn't allowed */
  constructor(servers: readonly (string | ServerInit)[], options: LoadBalancerOptions = {}) {
    if (servers.length === 0) throw new RangeError("A load balancer needs at least one server");
    this.servers = servers.map(toServer);
    this.#policy = POLICIES[options.policy ?? "round_robin"](this.servers);
  }

  /**
   * The server for a request.
   * @param isEligible leaves out servers that were tried before, for example
   * @throws ProxyError `NO_PEER` when no server is eligible
   */
  select(session?: unknown, isEligible: Eligibility | null = null): Server {
    const server = this.#policy.pick(isEligible, session);
    if (server === null) throw new ProxyError("NO_PEER");
    return server;
  }
}

function toServer(init: string | ServerInit, index: number): Server {
  const { address, weight = 1 } = typeof init === "string" ? { address: init } : init;
  if (!Number.isInteger(weight) || weight < 1 || weight > MAX_WEIGHT) {
    throw new RangeError(`Weight ${weight} of ${address} is not a whole number from 1 to ${MAX_WEIGHT}`);
  }
  return Object.freeze({ ...parseAddress(address), address, weight, index });
}
