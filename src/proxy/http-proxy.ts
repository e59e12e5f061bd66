import { type AlarmClock, threadAlarms } from "../base/alarms.ts";
import { Counter, Counters } from "../base/counters.ts";
import { describeThrown, type ErrorSource, isThenable, notPromised, ProxyError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { TimeoutQueue } from "../base/timeouts.ts";
import { turnNow } from "../base/turn-clock.ts";
import type { RequestHead } from "../http/heads.ts";
import type { TlsFailure } from "../net/tls/tls-acceptor.ts";
import { Connector } from "../upstream/connector.ts";
import { Forwarding, type ForwardingPolicy, NO_FORWARDING } from "./forwarding.ts";
import type { GrpcWebSettings } from "./grpc/web-cors.ts";
import { GrpcWebEntrance } from "./grpc/web-entrance.ts";
import { countDownForwards } from "./max-forwards.ts";
import { OpenFills } from "./open-fills.ts";
import type { MaybePromise, ProxyPhases } from "./phases.ts";
import { type CachePlans, type Plan, splitAtCache, toPlan, usesCaches } from "./plan.ts";
import { DEFAULT_RETRY_POLICY, type RetryPolicy } from "./retries.ts";
import type { Session } from "./session.ts";
import type { MeteredClient, SessionMeter } from "./traffic/session-meter.ts";

/** Hears of every session that is over. Its presence makes sessions take their timings. */
export interface SessionObserver {
  onSession(session: Session<unknown>, error: ProxyError | null): void;
}

/** Hears what has to be told to whoever runs the proxy. */
export interface ErrorReporter {
  /**
   * A session ended badly.
   * @param summary tells which
   * @param server the one that was chosen last, as it was written; null: none was
   */
  onSessionError(error: ProxyError, summary: string, server: string | null): void;
  /** A connection could not be accepted (out of descriptors, say). */
  onListenerError(listener: string, error: Error): void;
  /**
   * A client's TLS handshake failed, which is mostly the client's fault. Absent: nobody wants to know.
   * @param client its address, "" on a Unix socket
   */
  onHandshakeFailed?(listener: string, client: string, failure: TlsFailure): void;
  /** A service failed outside of a session: the handler of a connection, or work in the background. */
  onServiceError(service: string, error: unknown): void;
}

export interface HttpProxyOptions {
  readonly connector?: Connector;
  readonly forwarding?: ForwardingPolicy;
  readonly retries?: Partial<RetryPolicy>;
  /** Milliseconds a request may take as a whole; 0: no limit. */
  readonly requestTimeout?: number;
  /** Milliseconds a gRPC call may take, whatever its client allows; 0: as many as that. */
  readonly grpcTimeout?: number;
  /** Translates calls of gRPC-Web; null: they go through as they are. */
  readonly grpcWeb?: Partial<GrpcWebSettings> | null;
  /** Bytes of a request body that are kept for a repetition. */
  readonly retryBufferSize?: number;
  /** Answers CONNECT by a tunnel to the peer that the phases choose. Off: 405. */
  readonly allowConnect?: boolean;
  /**
   * Whether sessions may be answered from a cache though no phase says so (`session.cacheRules`). Default: no, and nobody looks.
   */
  readonly caches?: boolean;
  /** Whether somebody may look at a session that was answered at once when that is over. Default: yes */
  readonly keepsSessions?: boolean;
  /** What sessions that wait, or may take only so long, go by. Default: the clock of this thread. */
  readonly alarms?: AlarmClock;
  /** What makes waits differ. */
  readonly random?: Random;
  readonly counters?: Counters;
  /** Counts what passes; null: nobody does. */
  readonly meter?: SessionMeter | null;
  readonly observer?: SessionObserver | null;
  readonly reporter?: ErrorReporter | null;
}

const RETRY_BUFFER = 64 * 1024;
function exactNow(): number {
  return performance.now();
}

const ANY_RANDOM: Random = { next: () => Math.random() };

/** A proxy program made ready to run: its phases with everything a session needs. One for each thread. */
export class HttpProxy<C> {
  readonly plan: Plan<C>;
  readonly plans: CachePlans<C>;
  readonly caches: boolean;
  readonly connector: Connector;
  readonly forwarding: Forwarding;
  readonly retries: RetryPolicy;
  readonly requestTimeout: TimeoutQueue;
  readonly grpcTimeout: number;
  readonly grpcWeb: GrpcWebEntrance | null;
  readonly retryBufferSize: number;
  readonly alarms: AlarmClock;
  readonly random: Random;
  readonly counters: Counters;
  readonly meter: SessionMeter | null;
  /** The clock that sessions take their timings by. */
  readonly now: () => number;
  /** Whether sessions take their timings. */
  readonly isTimed: boolean;
  /** Whether somebody may read a response's head after it was passed on. */
  readonly keepsResponses: boolean;
  /** Whether somebody may look at a session that was answered at once when that is over. */
  readonly keepsSessions: boolean;
  /** What is being fetched for caches, whether anybody waits for it or not. */
  fills: OpenFills = new OpenFills();
  readonly #allowConnect: boolean;
  readonly #observer: SessionObserver | null;
  readonly #reporter: ErrorReporter | null;

  constructor(phases: ProxyPhases<C>, options: HttpProxyOptions = {}) {
    const { grpcWeb = null } = options;
    this.grpcWeb = grpcWeb === null ? null : new GrpcWebEntrance(grpcWeb);
    const plan = toPlan(phases);
    this.plan = this.grpcWeb === null ? plan : withPreflights(plan, this.grpcWeb);
    this.plans = splitAtCache(this.plan);
    this.caches = options.caches === true || usesCaches(this.plan);
    this.connector = options.connector ?? new Connector();
    this.forwarding = new Forwarding(options.forwarding ?? NO_FORWARDING);
    this.retries = { ...DEFAULT_RETRY_POLICY, ...options.retries };
    this.requestTimeout = new TimeoutQueue(options.requestTimeout ?? 0);
    this.grpcTimeout = options.grpcTimeout ?? 0;
    this.retryBufferSize = options.retryBufferSize ?? RETRY_BUFFER;
    this.alarms = options.alarms ?? threadAlarms;
    this.random = options.random ?? ANY_RANDOM;
    this.counters = options.counters ?? Counters.local();
    this.#allowConnect = options.allowConnect ?? false;
    this.#observer = options.observer ?? null;
    this.#reporter = options.reporter ?? null;
    this.meter = options.meter ?? null;
    const isRead = this.#observer !== null || this.plan.logging !== null;
    this.isTimed = isRead || this.meter !== null;
    // Of a turn that is spent in a program's own code the beginning isn't the end.
    const isExact = isRead || this.plan.responseFilter !== null || this.plan.looksAtResponseBody;
    this.now = isExact ? exactNow : turnNow;
    this.keepsSessions = options.keepsSessions ?? true;
    this.keepsResponses = this.#observer !== null || this.plan.mayLookBackAtResponse;
  }

  /** Why a request isn't let in at all, before any phase sees it. */
  refusalOf(request: RequestHead): ProxyError | null {
    const { method } = request;
    if (method === "GET" || method === "POST")
      return this.forwarding.isLoop(request) ? new ProxyError("DOWNSTREAM_LOOP") : null;
    if (method === "CONNECT" && !this.#allowConnect)
      return new ProxyError("DOWNSTREAM_METHOD_REFUSED", "CONNECT");
    if (this.forwarding.isLoop(request)) return new ProxyError("DOWNSTREAM_LOOP");
    return countDownForwards(request);
  }

  /** @internal the session is over: counts, logs */
  finish(session: Session<C>, client: MeteredClient, error: ProxyError | null): void {
    this.#count(session, error);
    session.attendant?.onSessionEnd();
    if (this.isTimed) session.timings.end = session.timings.firstByte === 0 ? exactNow() : this.now();
    if (error !== null) this.#report(session, error);
    if (this.plan.logging !== null) this.#log(session, error);
    this.#observer?.onSession(session as Session<unknown>, error);
    this.meter?.end(session as Session<unknown>, client, error);
  }

  #count(session: Session<C>, error: ProxyError | null): void {
    const { counters } = this;
    const { response } = session;
    counters.add(Counter.requestsActive, -1);
    counters.add(Counter.requestBodyBytes, session.bytesReceived);
    counters.add(Counter.responseBodyBytes, session.bytesSent);
    if (response !== null) counters.add(STATUS_COUNTERS[Math.min(Math.floor(response.status / 100), 5)]!);
    if (error !== null) counters.add(ERROR_COUNTERS[error.source]);
    if (error?.code.endsWith("_TIMEOUT") === true) counters.add(Counter.timeouts);
    else if (error?.code === "UPSTREAM_FLOOD") counters.add(Counter.upstreamFloods);
  }

  #report(session: Session<C>, error: ProxyError): void {
    if (this.#reporter === null) return;
    let summary = summaryOf(session);
    try {
      if (notPromised(this.plan.suppressErrorLog?.(session, error), "suppressErrorLog") === true) return;
      summary = notPromised(this.plan.requestSummary?.(session), "requestSummary") ?? summary;
    } catch (thrown) {
      this.#reportFilter(thrown, session);
    }
    this.#reporter.onSessionError(error, summary, serverOf(session));
  }

  #log(session: Session<C>, error: ProxyError | null): void {
    try {
      const done = this.plan.logging!(session, error);
      if (isThenable(done)) done.then(undefined, (thrown: unknown) => this.#reportFilter(thrown, session));
    } catch (thrown) {
      this.#reportFilter(thrown, session);
    }
  }

  /** @internal a connection wasn't let in because whoever decides it failed */
  reportRefusal(listener: string, thrown: unknown): void {
    this.#reporter?.onListenerError(listener, filterError(thrown));
  }

  /** @internal a client's handshake failed */
  reportHandshake(listener: string, client: string, failure: TlsFailure): void {
    if (failure.kind === "choice") this.reportRefusal(listener, failure.cause);
    else this.#reporter?.onHandshakeFailed?.(listener, client, failure);
  }

  #reportFilter(thrown: unknown, session: Session<C>): void {
    this.#reporter?.onSessionError(filterError(thrown), summaryOf(session), serverOf(session));
  }
}

/** Browsers ask before a call whether they may: before anybody else is asked, for they show no credentials. */
function withPreflights<C>(plan: Plan<C>, grpcWeb: GrpcWebEntrance): Plan<C> {
  const { earlyRequestFilter: next } = plan;
  return {
    ...plan,
    earlyRequestFilter(session): MaybePromise<void> {
      const answer = grpcWeb.preflightAnswer(session.request);
      if (answer === null) return next?.(session);
      session.respond(answer);
    },
  };
}

const STATUS_COUNTERS = [
  Counter.responses1xx,
  Counter.responses1xx,
  Counter.responses2xx,
  Counter.responses3xx,
  Counter.responses4xx,
  Counter.responses5xx,
] as const;

const ERROR_COUNTERS = {
  downstream: Counter.downstreamErrors,
  upstream: Counter.upstreamErrors,
  internal: Counter.internalErrors,
} as const satisfies Record<ErrorSource, Counter>;

function filterError(thrown: unknown): ProxyError {
  if (thrown instanceof ProxyError && thrown.code === "FILTER_FAILED") return thrown;
  return new ProxyError("FILTER_FAILED", describeThrown(thrown), { cause: thrown });
}

function serverOf<C>(session: Session<C>): string | null {
  return session.peer === null ? null : String(session.peer);
}

function summaryOf<C>(session: Session<C>): string {
  const { request, client } = session;
  return `${request.method} ${request.host}${request.path} from ${client.address}`;
}
