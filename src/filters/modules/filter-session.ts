import type { ProxyError } from "../../base/errors.ts";
import type { RequestHead, ResponseHead } from "../../http/heads.ts";
import type { TlsDigest } from "../../net/tls/digest.ts";
import type { SessionCache } from "../../proxy/caching/session-cache.ts";
import type { ResponseFaults } from "../../proxy/response-faults.ts";
import type { RetryPolicy } from "../../proxy/retries.ts";
import type { BodyTap, ClientInfo, ResponseInit, RetryGate, Session, Timings } from "../../proxy/session.ts";
import type { HttpPeer } from "../../upstream/peer.ts";

/** What every filter finds in a session but its context. */
type Shown = Omit<Session<unknown>, "context" | Hidden>;

/** The engine's own: nothing that a filter is to rely on. */
type Hidden =
  | "attendant"
  | "bodyFilters"
  | "cacheRules"
  | "coding"
  | "notedIn"
  | "notedOut"
  | "pathMark"
  | "pluginRow"
  | "plugins"
  | "routeTraffic"
  | "upstreamTraffic";

/** A session as one filter sees it: the same one, with a context of the filter's own. */
export class FilterSession implements Shown {
  context: unknown;
  readonly #session: Session<unknown>;

  constructor(session: Session<unknown>, context: unknown = undefined) {
    this.#session = session;
    this.context = context;
  }

  get request(): RequestHead {
    return this.#session.request;
  }

  get response(): ResponseHead | null {
    return this.#session.response;
  }

  get peer(): HttpPeer | null {
    return this.#session.peer;
  }

  get tries(): number {
    return this.#session.tries;
  }

  get error(): ProxyError | null {
    return this.#session.error;
  }

  get timings(): Timings {
    return this.#session.timings;
  }

  get retryPolicy(): RetryPolicy {
    return this.#session.retryPolicy;
  }

  set retryPolicy(policy: RetryPolicy) {
    this.#session.retryPolicy = policy;
  }

  get retryGate(): RetryGate | null {
    return this.#session.retryGate;
  }

  set retryGate(gate: RetryGate | null) {
    this.#session.retryGate = gate;
  }

  get client(): ClientInfo {
    return this.#session.client;
  }

  get bytesReceived(): number {
    return this.#session.bytesReceived;
  }

  get bytesSent(): number {
    return this.#session.bytesSent;
  }

  get upstreamReused(): boolean {
    return this.#session.upstreamReused;
  }

  get upstreamTls(): TlsDigest | null {
    return this.#session.upstreamTls;
  }

  get responded(): boolean {
    return this.#session.responded;
  }

  get signal(): AbortSignal {
    return this.#session.signal;
  }

  get cache(): SessionCache {
    return this.#session.cache;
  }

  get grpcStatus(): number | null {
    return this.#session.grpcStatus;
  }

  respond(init: ResponseInit): true {
    return this.#session.respond(init);
  }

  readBody(limit?: number): Promise<Buffer> {
    return this.#session.readBody(limit);
  }

  streamBody(): AsyncIterable<Buffer> {
    return this.#session.streamBody();
  }

  tapBody(tap: BodyTap): void {
    this.#session.tapBody(tap);
  }

  limitCall(milliseconds: number): void {
    this.#session.limitCall(milliseconds);
  }

  closeAfterResponse(): void {
    this.#session.closeAfterResponse();
  }

  wait(milliseconds: number): Promise<void> {
    return this.#session.wait(milliseconds);
  }

  injectFaults(faults: ResponseFaults): void {
    this.#session.injectFaults(faults);
  }

  reset(): true {
    return this.#session.reset();
  }
}
