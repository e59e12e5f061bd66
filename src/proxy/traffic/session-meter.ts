import type { ProxyError } from "../../base/errors.ts";
import type { TopEvent, TopList } from "../../base/traffic/top-list.ts";
import type { TrafficBook } from "../../base/traffic/traffic-book.ts";
import { TrafficCount, type TrafficRow } from "../../base/traffic/traffic-row.ts";
import type { RequestHead } from "../../http/heads.ts";
import type { HttpPeer } from "../../upstream/peer.ts";
import type { ForwardedClient } from "../forwarding.ts";
import type { Session } from "../session.ts";

/** Statuses of gRPC that tell of a failure of the server: unknown, deadline, unimplemented, internal, unavailable, data loss. */
const GRPC_FAILURES: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/** Servers of a program that are told apart: it may make up as many addresses as it likes. */
const MOST_SERVERS = 64;

/** A client with what counts its traffic. */
export interface MeteredClient extends ForwardedClient {
  /** What counts all that comes in on its listener; null: nothing does. */
  readonly traffic: TrafficRow | null;
  /** True once its connection is counted as its address's. */
  isMetered: boolean;
}

/** How a session ended. */
interface Outcome {
  /** 0: there was no response. */
  readonly status: number;
  readonly failed: boolean;
  readonly aborted: boolean;
}

/**
 * Counts sessions at the places that they pass: their listener, their route, their upstream, among the clients and the paths.
 * What a session moves while it lasts is counted in between, so that a download of an hour isn't seen in its last second only.
 */
export class SessionMeter {
  readonly #book: TrafficBook;
  readonly #clients: TopList | null;
  readonly #paths: TopList | null;
  readonly #servers = new Map<string, TrafficRow>();
  readonly #event: TopEvent = {
    ...{ bytesIn: 0, bytesOut: 0, status: 0, failed: false, connections: 0, latency: -1 },
  };

  constructor(book: TrafficBook) {
    this.#book = book;
    this.#clients = book.clients;
    this.#paths = book.paths;
  }

  /** A request is here. To be called while its head is still where it came in. */
  begin(session: Session<unknown>, { traffic }: MeteredClient): void {
    traffic?.add(TrafficCount.requestsOpen);
    if (this.#paths !== null) session.pathMark = enterPath(this.#paths, session.request);
  }

  /** Counts what the session has moved since this was called last. */
  progress(session: Session<unknown>, { traffic }: MeteredClient): void {
    const { bytesReceived, bytesSent, notedIn, notedOut, routeTraffic, upstreamTraffic } = session;
    session.notedIn = bytesReceived;
    session.notedOut = bytesSent;
    traffic?.addBytes(bytesReceived - notedIn, bytesSent - notedOut);
    routeTraffic?.addBytes(bytesReceived - notedIn, bytesSent - notedOut);
    upstreamTraffic?.addBytes(bytesReceived - notedIn, bytesSent - notedOut);
  }

  /** The session is over, and knows its times. */
  end(session: Session<unknown>, client: MeteredClient, error: ProxyError | null): void {
    const { response, timings, grpcStatus } = session;
    const status = response === null ? 0 : response.status;
    const aborted = error !== null && error.source === "downstream" && status < 400;
    const failed =
      status >= 500 ||
      (error !== null && error.source !== "downstream") ||
      (grpcStatus !== null && GRPC_FAILURES.has(grpcStatus));
    const outcome = { status, failed, aborted };
    const latency = latencyOf(session, status);
    const { traffic } = client;
    if (traffic !== null) {
      traffic.add(TrafficCount.requestsOpen, -1);
      count(traffic, session, outcome, latency);
    }
    if (session.routeTraffic !== null) count(session.routeTraffic, session, outcome, latency);
    if (session.peer !== null) {
      const upstream = session.upstreamTraffic ?? this.#ofServer(session.peer);
      const waited = timings.firstByte === 0 ? -1 : timings.firstByte - timings.connected;
      count(upstream, session, outcome, waited);
    }
    if (this.#clients !== null) this.#countTop(session, client, outcome, latency);
  }

  #countTop(session: Session<unknown>, client: MeteredClient, outcome: Outcome, latency: number): void {
    const event = this.#event;
    event.bytesIn = session.bytesReceived;
    event.bytesOut = session.bytesSent;
    event.status = outcome.status;
    event.failed = outcome.failed;
    event.latency = latency;
    event.connections = 0;
    this.#paths!.note(session.pathMark, event);
    event.connections = client.isMetered ? 0 : 1;
    client.isMetered = true;
    this.#clients!.note(this.#clients!.enterText(client.address), event);
  }

  /** In a program nobody says which upstream a server belongs to. */
  #ofServer(peer: HttpPeer): TrafficRow {
    const name = peer.toString();
    const known = this.#servers.get(name);
    if (known !== undefined) return known;
    const isFull = this.#servers.size >= MOST_SERVERS;
    const row = isFull ? this.#book.others : this.#book.row("upstream", name);
    if (!isFull) this.#servers.set(name, row);
    return row;
  }
}

function enterPath(paths: TopList, request: RequestHead): number {
  const { source } = request;
  const start = request.lineChanged ? -1 : source.targetStart;
  if (start < 0) return paths.enterText(request.path);
  return paths.enterPath(source.table().bytes, start, source.targetEnd);
}

/** To the end; of what became another protocol's connection, to the moment when it did. */
function latencyOf({ timings, request }: Session<unknown>, status: number): number {
  const isTunnel = status === 101 || (status >= 200 && status < 300 && request.method === "CONNECT");
  const until = isTunnel ? timings.firstByte : timings.end;
  return until === 0 ? -1 : until - timings.start;
}

function count(row: TrafficRow, session: Session<unknown>, outcome: Outcome, latency: number): void {
  const { bytesReceived, bytesSent, notedIn, notedOut, tries } = session;
  row.addRequest(bytesReceived - notedIn, bytesSent - notedOut, outcome.status);
  if (outcome.failed) row.add(TrafficCount.failed);
  if (outcome.aborted) row.add(TrafficCount.aborted);
  if (tries > 1) row.add(TrafficCount.retries, tries - 1);
  if (latency >= 0) row.addLatency(latency);
}
