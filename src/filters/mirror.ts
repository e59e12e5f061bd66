import { Counter, type Counters } from "../base/counters.ts";
import { ProxyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { Deadline, type DeadlineOwner, TimeoutQueue } from "../base/timeouts.ts";
import { ClientExchange, type ExchangeMeans, type OutgoingRequest } from "../proxy/client-exchange.ts";
import type { Forwarding } from "../proxy/forwarding.ts";
import type { Session } from "../proxy/session.ts";
import type { Connector } from "../upstream/connector.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { CopiedBody } from "./copied-body.ts";
import type { RequestRewrite } from "./rewrite.ts";
import type { MirrorSettings } from "./settings.ts";

/** Chooses where a copy goes. @throws ProxyError when there is no server */
export type ChoosePeer = (session: Session<unknown>) => HttpPeer;

/** What copies are sent with: the same as the requests. */
export interface MirrorMeans {
  readonly choosePeer: ChoosePeer;
  /** The route's changes to requests; null: none. */
  readonly rewrite: RequestRewrite | null;
  readonly forwarding: Forwarding;
  readonly connector: Connector;
  readonly counters: Counters;
  readonly random: Random;
}

/**
 * Sends copies of requests to another upstream. Nothing that becomes of a copy is felt by the request: its answer is thrown
 * away, its body is kept for it only up to a limit, and a copy that is late, refused or broken off is just counted.
 *
 *     client ══▶ request ══▶ server
 *                   ╚═▶ copied body ─▶ copy ─▶ another server ─▶ (an answer that nobody reads)
 */
export class Mirror {
  readonly #settings: MirrorSettings;
  readonly #means: MirrorMeans;
  readonly #exchanges: ExchangeMeans;
  readonly #timeout: TimeoutQueue;
  #pending = 0;

  constructor(settings: MirrorSettings, means: MirrorMeans) {
    this.#settings = settings;
    this.#means = means;
    // Answers are read as they come: none stands still because of us.
    this.#exchanges = { connector: means.connector, unreadTimeout: new TimeoutQueue(0) };
    this.#timeout = new TimeoutQueue(settings.timeout);
  }

  /** Copies the request if the lot falls on it. To be called once, before any of its body has come. */
  copy(session: Session<unknown>): void {
    const { share, mostPending, mostBuffered } = this.#settings;
    if (share < 1 && this.#means.random.next() >= share) return;
    // What switches protocols is a conversation, which only one server can have.
    const { method, body, upgrade } = session.request;
    if (method === "CONNECT" || upgrade !== null) return;
    if (this.#pending >= mostPending) {
      this.#means.counters.add(Counter.copyFailures);
      return;
    }
    const copy = new Copy(body === "none" || body === 0 ? null : mostBuffered);
    if (copy.body !== null) session.tapBody(copy.body);
    void this.#send(session, copy);
  }

  async #send(session: Session<unknown>, copy: Copy): Promise<void> {
    const { counters } = this.#means;
    this.#pending++;
    this.#timeout.set(copy.deadline);
    try {
      const exchange = new ClientExchange(this.#toOutgoing(session, copy), this.#exchanges);
      exchange.start();
      await exchange.response;
      for await (const _ of exchange.body);
      counters.add(Counter.copies);
    } catch {
      // A copy is nobody's request: there is nobody to tell.
      counters.add(Counter.copyFailures);
    } finally {
      this.#pending--;
      copy.close();
    }
  }

  /** @throws ProxyError when there is no server, or the request can't be rewritten */
  #toOutgoing(session: Session<unknown>, { body, signal }: Copy): OutgoingRequest {
    const { choosePeer, rewrite, forwarding } = this.#means;
    const { request } = session;
    const peer = choosePeer(session);
    const head = request.fork();
    rewrite?.(head, peer);
    // Whether the client is to go on is for the other server to say.
    if (head.expectsContinue) head.headers.delete("expect");
    const note = { host: "", version: "", additions: null, trusted: null, certificate: null };
    const { address, port, listener, scheme, tls } = session.client;
    const client = { address, port, listener, scheme, tls, forwarding: note };
    const additions = forwarding.additions(head, client, request.protocol, peer);
    return { peer, head, length: request.body, body: body?.content ?? null, signal, additions };
  }
}

/** One copy on its way. */
class Copy implements DeadlineOwner {
  readonly deadline: Deadline = new Deadline(this);
  readonly body: CopiedBody | null;
  readonly #over = new AbortController();

  /** @param mostBuffered null: it has no body */
  constructor(mostBuffered: number | null) {
    this.body =
      mostBuffered === null ? null : new CopiedBody(mostBuffered, (error) => this.#over.abort(error));
  }

  /** Aborted when it is given up. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** A server that had the whole copy is to blame; otherwise it may have been the client that took its time. */
  onDeadline(): void {
    const isServers = this.body === null || this.body.isTaken;
    this.#over.abort(isServers ? new ProxyError("UPSTREAM_FIRST_BYTE_TIMEOUT") : undefined);
  }

  /** It is over, well or not. */
  close(): void {
    this.deadline.clear();
    this.body?.close();
  }
}
