import type { ProxyError } from "../base/errors.ts";
import type { Session } from "../proxy/session.ts";
import type { Server } from "../upstream/balancers/balancing-policy.ts";
import { LoadBalancer } from "../upstream/load-balancer.ts";
import { HttpPeer } from "../upstream/peer.ts";
import type { UpstreamSettings } from "./settings.ts";

/** The servers of an upstream, each with its one peer, and how to fail over between them. */
export class UpstreamGroup {
  readonly #balancer: LoadBalancer;
  /** By `Server.index`. */
  readonly #peers: readonly HttpPeer[];
  /** Servers that a session could not connect to. Most sessions have none and never get here. */
  readonly #failed = new WeakMap<Session<unknown>, Set<Server>>();

  constructor(settings: UpstreamSettings) {
    this.#balancer = new LoadBalancer(settings.servers, { policy: settings.policy });
    this.#peers = this.#balancer.servers.map(({ address }) => new HttpPeer(address, settings.peer));
  }

  /** The only peer, null when there are several. */
  get only(): HttpPeer | null {
    return this.#peers.length === 1 ? this.#peers[0]! : null;
  }

  /** The peer for this attempt: in a repeated one, a server that the session hasn't failed to reach. */
  peerFor(session: Session<unknown>): HttpPeer {
    const failed = session.tries > 1 ? this.#failed.get(session) : undefined;
    const isEligible = failed === undefined ? null : (server: Server) => !failed.has(server);
    return this.#peers[this.#balancer.select(session, isEligible).index]!;
  }

  /** Asks for another attempt while there is a server that wasn't tried. How many there may be is the engine's to count. */
  onConnectFailure(session: Session<unknown>, peer: HttpPeer, error: ProxyError): void {
    const failed = this.#failed.get(session) ?? new Set();
    this.#failed.set(session, failed);
    failed.add(this.#balancer.servers[this.#peers.indexOf(peer)]!);
    error.retry = failed.size < this.#peers.length ? "yes" : "no";
  }
}
