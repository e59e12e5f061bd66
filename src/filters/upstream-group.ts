import { toProxyError } from "../base/errors.ts";
import type { TrafficRow } from "../base/traffic/traffic-row.ts";
import type { MaybePromise } from "../proxy/phases.ts";
import type { RetryGate, Session } from "../proxy/session.ts";
import type { Eligibility } from "../upstream/balancers/balancing-policy.ts";
import { HttpPeer } from "../upstream/peer.ts";
import type { Server } from "../upstream/server.ts";
import type { ServerGroup } from "../upstream/server-group.ts";
import type { UpstreamSettings } from "./settings.ts";
import { StickyCookie } from "./sticky.ts";

/** What requests that belong together have in common. */
export type KeyOf = (session: Session<unknown>) => string;

/**
 * An upstream as requests meet it: which server they go to, by what they are repeated, and on which one clients stay.
 */
export class UpstreamGroup implements RetryGate {
  readonly #settings: UpstreamSettings;
  readonly #group: ServerGroup;
  /** Null where the policy asks for none. */
  readonly #keyOf: KeyOf | null;
  readonly #sticky: StickyCookie | null;
  readonly #traffic: TrafficRow | null;
  /** By the server's slot; one that was made for another server there is out of date. */
  readonly #peers: (HttpPeer | undefined)[] = [];
  /** Addresses that a session has tried in vain. Most sessions have none and never get here. */
  readonly #tried = new WeakMap<Session<unknown>, Set<string>>();
  /** Requests that have waited and are about to begin. */
  #entering = 0;

  constructor(
    settings: UpstreamSettings,
    group: ServerGroup,
    keyOf: KeyOf | null,
    traffic: TrafficRow | null = null,
  ) {
    this.#settings = settings;
    this.#group = group;
    this.#keyOf = keyOf;
    this.#traffic = traffic;
    this.#sticky = settings.sticky === null ? null : new StickyCookie(settings.sticky);
  }

  get isSticky(): boolean {
    return this.#sticky !== null;
  }

  /** The peer for this attempt: in a repeated one, of a server that the session hasn't tried yet. */
  peerFor(session: Session<unknown>): MaybePromise<HttpPeer> {
    session.retryPolicy = this.#settings.retries;
    session.retryGate = this;
    session.upstreamTraffic = this.#traffic;
    return this.#settings.limits.pending > 0
      ? this.#peerOrWait(session)
      : this.#peerOf(this.#choose(session));
  }

  #peerOrWait(session: Session<unknown>): MaybePromise<HttpPeer> {
    if (!this.#hasRoom) return this.#peerInTime(session);
    try {
      return this.#peerOf(this.#choose(session));
    } catch (error) {
      // Another thread took the room since it was looked for.
      if (toProxyError(error).code === "UPSTREAM_OVERLOADED") return this.#peerInTime(session);
      throw error;
    }
  }

  /** The room of those who were let in is theirs already, though they begin only when those who run now are done. */
  get #hasRoom(): boolean {
    return this.#entering === 0 && this.#group.hasRoom;
  }

  /** Another thread may still be quicker than who was let in: then it is the last one's turn again. */
  async #peerInTime(session: Session<unknown>): Promise<HttpPeer> {
    const enter = (): Server => {
      const server = this.#choose(session);
      this.#entering++;
      return server;
    };
    const server = await this.#group.whenRoom(enter, session.signal);
    this.#entering--;
    return this.#peerOf(server);
  }

  /** The peer for a copy of the request, whose attempts are its own. @throws ProxyError when there is no server */
  peerForCopy(session: Session<unknown>): HttpPeer {
    return this.#peerOf(this.#group.select(this.#keyFor(session), null));
  }

  #choose(session: Session<unknown>): Server {
    const tried = session.tries > 1 ? this.#tried.get(session) : undefined;
    if (tried !== undefined) return this.#chooseOther(session, tried);
    return this.#stickyServer(session) ?? this.#group.select(this.#keyFor(session), null);
  }

  #chooseOther(session: Session<unknown>, tried: Set<string>): Server {
    const server = this.#group.select(this.#keyFor(session), ({ address }) => !tried.has(address));
    // Whatever becomes of this attempt: a hedge that fails is forgotten by its session.
    tried.add(server.address);
    return server;
  }

  /** Requests that have nothing of what keys are made of don't belong together: one server would get them all. */
  #keyFor(session: Session<unknown>): string | null {
    return this.#keyOf?.(session) || null;
  }

  #stickyServer(session: Session<unknown>): Server | null {
    if (this.#sticky === null) return null;
    const server = this.#sticky.serverOf(session, this.#group.servers);
    return server === null ? null : this.#group.serverAt(server.slot);
  }

  #peerOf(server: Server): HttpPeer {
    const known = this.#peers[server.slot];
    if (known !== undefined && known.address === server) return known;
    const peer = new HttpPeer(server, this.#settings.peer);
    this.#peers[server.slot] = peer;
    return peer;
  }

  /** The `Set-Cookie` for a client whose answer comes from a server that it isn't bound to yet; null for none. */
  cookieFor(session: Session<unknown>): string | null {
    if (this.#sticky === null) return null;
    const address = addressOf(session);
    const server = this.#group.servers.find((known) => known.address === address);
    return server === undefined ? null : this.#sticky.binding(session, server, this.#group.servers);
  }

  /**
   * Another attempt may begin if there is a server that wasn't tried. After the last one it begins anew with all of them,
   * but only where there is a pause between attempts: servers that don't answer aren't asked in a circle.
   */
  enter(session: Session<unknown>): boolean {
    const tried = this.#tried.get(session) ?? new Set();
    this.#tried.set(session, tried);
    const last = addressOf(session);
    if (last !== null) tried.add(last);
    const isNew: Eligibility = ({ address }) => !tried.has(address);
    if (!this.#group.canSelect(isNew)) {
      if (this.#settings.retries.backoff === 0 || !this.#group.canSelect(null)) return false;
      tried.clear();
    }
    return this.#group.enterRetry(this.#group.servers.find(({ address }) => address === last));
  }

  leave(): void {
    this.#group.leaveRetry();
  }
}

/** Of the server chosen last. The group may know it as another object meanwhile, with another weight, say. */
function addressOf({ peer }: Session<unknown>): string | null {
  const server = peer?.address as Partial<Server> | undefined;
  return server?.address ?? null;
}
