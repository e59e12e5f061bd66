import type { ProxyError } from "../../base/errors.ts";
import type { TopList } from "../../base/traffic/top-list.ts";
import { TopCount } from "../../base/traffic/top-memory.ts";
import type { TrafficBook } from "../../base/traffic/traffic-book.ts";
import {
  type RequestEnd,
  TrafficCount,
  type TrafficRow,
  toMicroseconds,
} from "../../base/traffic/traffic-row.ts";
import type { RequestHead } from "../../http/heads.ts";
import type { HttpPeer } from "../../upstream/peer.ts";
import type { ForwardedClient } from "../forwarding.ts";
import type { Session } from "../session.ts";
import type { TunnelMeter } from "../tunnel.ts";

/** Statuses of gRPC that tell of a failure of the server: unknown, deadline, unimplemented, internal, unavailable, data loss. */
const GRPC_FAILURES: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15]);

/** Servers of a program that are told apart: it may make up as many addresses as it likes. */
const MOST_SERVERS = 64;

/** A client with what counts its traffic. */
export interface MeteredClient extends ForwardedClient {
  /** What counts all that comes in on its listener; null: nothing does. */
  readonly traffic: TrafficRow | null;
  /** Where its address is counted; -1: it wasn't yet. */
  topMark: number;
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
  readonly #end: RequestEnd = {
    ...{ bytesIn: 0, bytesOut: 0, status: 0, failed: false, aborted: false, retries: 0 },
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
    const { bytesReceived, bytesSent, notedIn, notedOut, routeTraffic, peer } = session;
    if (peer !== null) session.upstreamTraffic ??= this.#ofServer(peer);
    session.notedIn = bytesReceived;
    session.notedOut = bytesSent;
    (routeTraffic ?? traffic)?.addBytes(bytesReceived - notedIn, bytesSent - notedOut);
    session.upstreamTraffic?.addBytes(bytesReceived - notedIn, bytesSent - notedOut);
  }

  /** What hears of a tunnel that the session has become. */
  follow(session: Session<unknown>, client: MeteredClient): TunnelMeter {
    return { onMoved: () => this.progress(session, client) };
  }

  /** The session is over, and knows its times. */
  end(session: Session<unknown>, client: MeteredClient, error: ProxyError | null): void {
    const { timings, routeTraffic, peer } = session;
    const end = this.#fill(session, error);
    const latency = latencyOf(session, end.status);
    const microseconds = latency < 0 ? 0 : toMicroseconds(latency);
    client.traffic?.add(TrafficCount.requestsOpen, -1);
    // Whoever reads adds what routes have to their listeners.
    const place = routeTraffic ?? client.traffic;
    if (place !== null) {
      place.addRequest(end);
      if (latency >= 0) place.addLatency(latency, microseconds);
    }
    if (peer !== null) {
      const upstream = session.upstreamTraffic ?? this.#ofServer(peer);
      upstream.addRequest(end);
      if (timings.firstByte !== 0) upstream.addLatency(timings.firstByte - timings.connected);
    }
    if (this.#paths !== null) {
      // What was counted in between isn't known here any more.
      end.bytesIn += session.notedIn;
      end.bytesOut += session.notedOut;
      this.#paths.note(session.pathMark, end, latency, microseconds);
      this.#clients!.note(this.#enterClient(client), end, latency, microseconds);
    }
  }

  #fill(session: Session<unknown>, error: ProxyError | null): RequestEnd {
    const { response, grpcStatus } = session;
    const end = this.#end;
    const status = response === null ? 0 : response.status;
    end.status = status;
    end.bytesIn = session.bytesReceived - session.notedIn;
    end.bytesOut = session.bytesSent - session.notedOut;
    end.retries = session.tries > 1 ? session.tries - 1 : 0;
    end.aborted = error !== null && error.source === "downstream" && status < 400;
    end.failed = status >= 500 || (error !== null && error.source !== "downstream");
    if (grpcStatus !== null && GRPC_FAILURES.has(grpcStatus)) end.failed = true;
    return end;
  }

  #enterClient(client: MeteredClient): number {
    const clients = this.#clients!;
    if (client.topMark >= 0 && clients.enterAgain(client.topMark)) return client.topMark;
    const isNew = client.topMark < 0;
    client.topMark = clients.enterText(client.address);
    if (isNew) clients.add(client.topMark, TopCount.connections, 1);
    return client.topMark;
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
