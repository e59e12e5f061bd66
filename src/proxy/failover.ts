import { Counter } from "../base/counters.ts";
import { ProxyError, toProxyError } from "../base/errors.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import type { UpstreamStream } from "../http/streams.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { AttemptAlarms, type AttemptAlarmsOwner } from "./attempt-alarms.ts";
import { countConnectFailure } from "./connection-counts.ts";
import { Hold } from "./flow.ts";
import { httpStatusOf, isRefusal } from "./grpc/grpc-call.ts";
import { Hedge, type HedgeOwner } from "./hedge.ts";
import { RequestSide } from "./request-side.ts";
import { backoffOf, includesStatus, judgeConnectFailure, judgeFailure, mayRepeat } from "./retry-rules.ts";
import type { RetryGate, Session } from "./session.ts";

/**
 * What becomes of a request whose attempt wasn't good enough: another one, by the session's retry policy and with leave of
 * its gate, or the failure as it is.
 *
 *     attempt ──▶ head ──── status not wanted ──┐
 *        │         └─▶ the answer               ├─▶ policy ─▶ phase ─▶ gate ─▶ backoff ─▶ next attempt
 *        ├─ fails, or takes too long ───────────┘     └────────┴───────┴─▶ the failure, or that response
 *        └─ takes a while ─▶ a second one beside it, the hedge
 */
export abstract class Failover<C> extends RequestSide<C> implements AttemptAlarmsOwner, HedgeOwner<C> {
  /** Who let the attempt begin that is under way; null for a first one. */
  #gate: RetryGate | null = null;
  /** Null until a time is to be kept. */
  #alarms: AttemptAlarms | null = null;
  #hedge: Hedge<C> | null = null;

  /** True once the client got something of a response. */
  protected abstract readonly isHeadSent: boolean;
  /** True once the client got an interim response, which no policy takes for nothing. */
  protected hasInformed = false;

  /** The head of the response that the client is to get. */
  protected abstract onAnswer(head: ResponseHead): void;

  protected abstract sendHeadTo(server: UpstreamStream, head: RequestHead, peer: HttpPeer): BodyLength;

  // ── an attempt begins and ends ─────────────────────────────────────────────────────────────────────────────────

  protected onAttempt(): void {
    const { tryTimeout, hedgeAfter } = this.session.retryPolicy;
    if (tryTimeout > 0) this.#times.setTry(tryTimeout);
    if (hedgeAfter > 0 && !this.isConnect) this.#times.setHedge(hedgeAfter);
  }

  get #times(): AttemptAlarms {
    this.#alarms ??= new AttemptAlarms(this.proxy.alarms, this);
    return this.#alarms;
  }

  protected override endAttempt(error: ProxyError | null): void {
    super.endAttempt(error);
    if (this.#alarms !== null) this.#alarms.clearAttempt();
    if (this.#gate !== null) this.#leaveGate();
  }

  #leaveGate(): void {
    const gate = this.#gate;
    this.#gate = null;
    gate?.leave();
  }

  protected override dropUpstream(error: ProxyError | null): void {
    if (this.#alarms !== null) this.#alarms.clear();
    if (this.#hedge !== null) this.#stopHedge();
    super.dropUpstream(error);
  }

  // ── what comes of it ───────────────────────────────────────────────────────────────────────────────────────────

  onResponseHead(head: ResponseHead): void {
    this.noteResponse(this.statusOf(head));
    if (this.#isUnwanted(head) && this.#dismisses()) return;
    if (this.#alarms !== null) this.#alarms.clearAttempt();
    if (this.#hedge !== null) this.#stopHedge();
    this.onAnswer(head);
  }

  /** Whether a response that the policy doesn't want is thrown away: only for something that may be better. */
  #dismisses(): boolean {
    if (this.#hedge?.isUnderWay === true) {
      this.endAttempt(null);
      this.#dismiss();
      return this.#relyOnHedge();
    }
    if (this.hasInformed || !this.mayRepeat || !this.#mayTryAgain) return false;
    this.#leaveGate();
    if (!this.#mayEnter()) return false;
    this.#dismiss();
    this.#goAgain(false);
    return true;
  }

  #dismiss(): void {
    this.upstream!.dismiss();
    this.upstream = null;
  }

  onConnectFailed(error: ProxyError): void {
    const { proxy } = this;
    countConnectFailure(proxy.counters, error);
    this.dropConnection();
    this.endAttempt(error);
    if (!this.#relyOnHedge()) this.#afterConnectFailure(error);
  }

  #afterConnectFailure(error: ProxyError): void {
    judgeConnectFailure(error, this.session.retryPolicy);
    if (!this.tell("failToConnect", this.proxy.plan.failToConnect, error)) return;
    if (error.retry === "yes" && this.#mayTryAgain && this.#tryAgain()) return;
    this.fail(error);
  }

  onUpstreamError(error: Error): void {
    const failure = toProxyError(error);
    this.upstream = null;
    // An idle connection that had died says nothing about the server, nor does one that it is about to close.
    const isStale =
      failure.retry === "untouched" ||
      (failure.retry === "reused" && this.upstreamReused && this.session.response === null);
    this.endAttempt(isStale ? null : failure);
    if (this.isDone) return;
    if (this.isHeadSent) this.fail(failure);
    else if (!this.#relyOnHedge()) this.#afterFailure(failure);
  }

  #afterFailure(error: ProxyError): void {
    const { session } = this;
    const { retryPolicy, request } = session;
    // Who has statuses of calls repeated said nothing of connections that die: that is leave for `reset`, not for this.
    const isReplaceable = this.upstreamReused && mayRepeat(retryPolicy, request.method, this.isActedOn);
    if (this.mayRepeat && !this.hasInformed)
      judgeFailure(error, retryPolicy, isReplaceable, session.response !== null);
    if (!this.tell("errorWhileProxy", this.proxy.plan.errorWhileProxy, error)) return;
    const { retry } = error;
    if (retry !== "no" && this.#mayTryAgain) {
      const isReplaced = retry === "untouched" || isReplaceable;
      if (retry === "yes" ? this.#tryAgain() : isReplaced && this.#replace()) return;
    }
    this.fail(error);
  }

  // ── another attempt ────────────────────────────────────────────────────────────────────────────────────────────

  /** @internal what a response says of its server */
  statusOf(head: ResponseHead): number {
    return this.grpc === null ? head.status : httpStatusOf(head);
  }

  /** Whether the policy would rather have another response. */
  #isUnwanted(head: ResponseHead): boolean {
    const { onStatus, onGrpcStatus } = this.session.retryPolicy;
    if (onStatus.length > 0 && includesStatus(onStatus, head.status)) return true;
    return this.grpc !== null && onGrpcStatus.length > 0 && isRefusal(head, onGrpcStatus);
  }

  get #mayTryAgain(): boolean {
    return this.isReplayable && this.session.tries < this.session.retryPolicy.maxTries;
  }

  /** An idle connection was dead already: another one, at once, and nobody has to be asked. */
  #replace(): boolean {
    this.startOver(true);
    this.choosePeer();
    return true;
  }

  /** False when whoever has a say is against it. */
  #tryAgain(): boolean {
    if (!this.#mayEnter()) return false;
    this.#goAgain(true);
    return true;
  }

  #goAgain(isFresh: boolean): void {
    const { session, proxy } = this;
    this.startOver(isFresh);
    this.#gate = session.retryGate;
    const wait = backoffOf(session.retryPolicy, session.tries, proxy.random);
    if (wait > 0) this.#times.setBackoff(wait);
    else this.choosePeer();
  }

  #mayEnter(): boolean {
    const { session, proxy } = this;
    if (session.retryGate === null || session.retryGate.enter(session as Session<unknown>)) return true;
    proxy.counters.add(Counter.retryRefusals);
    return false;
  }

  onBackoffOver(): void {
    this.choosePeer();
  }

  onTryTimeout(): void {
    const { downstream, upstream } = this;
    if (this.#hedge !== null && !this.#isFirstAlive) {
      this.#hedge.fail(tooLate("UPSTREAM_FIRST_BYTE_TIMEOUT"));
    } else if (this.isConnecting) {
      this.onConnectFailed(tooLate("UPSTREAM_CONNECT_TIMEOUT"));
    } else if (downstream.requestComplete || upstream?.blocked === true) {
      upstream?.abort();
      this.onUpstreamError(tooLate("UPSTREAM_FIRST_BYTE_TIMEOUT"));
    }
    // It is the client who takes its time.
    else this.#times.setTry(this.session.retryPolicy.tryTimeout);
  }

  // ── a second attempt beside the first ──────────────────────────────────────────────────────────────────────────

  onHedgeTime(): void {
    const { session, proxy } = this;
    const isSent = this.isComplete && session.request.upgrade === null && !this.hasInformed;
    if (!isSent || !mayRepeat(session.retryPolicy, session.request.method, true)) {
      if (!this.downstream.requestComplete) this.#times.setHedge(session.retryPolicy.hedgeAfter);
      return;
    }
    if (!this.#mayTryAgain || !this.#mayEnter()) return;
    proxy.counters.add(Counter.hedges);
    session.tries++;
    this.#hedge = new Hedge<C>(this, this.peer!, session.retryGate);
    void this.#hedge.start();
  }

  get #isFirstAlive(): boolean {
    return this.upstream !== null || this.isConnecting;
  }

  /** The first attempt is over. True when the second one goes on, alone. */
  #relyOnHedge(): boolean {
    if (this.#hedge === null) return false;
    if (!this.#hedge.isUnderWay) {
      // It may not come about, and must not stand in the way of another attempt.
      this.#stopHedge();
      return false;
    }
    const { tryTimeout } = this.session.retryPolicy;
    // Phases of the first attempt that are still awaited don't go on.
    this.generation++;
    if (tryTimeout > 0) this.#times.setTry(tryTimeout);
    return true;
  }

  /** @internal */
  sendCopy(server: UpstreamStream, head: RequestHead, peer: HttpPeer): void {
    this.copyBodyTo(server, this.sendHeadTo(server, head, peer));
  }

  #stopHedge(): void {
    const hedge = this.#hedge!;
    this.#hedge = null;
    hedge.stop(null);
    hedge.gate?.leave();
    this.session.peer = this.peer;
  }

  /** @internal */
  onHedgeHead(head: ResponseHead): void {
    const isUnwanted = this.#isUnwanted(head);
    if (this.#isFirstAlive && isUnwanted) {
      this.#stopHedge();
      return;
    }
    this.#adoptHedge();
    // Its response is judged like any other: there may be attempts left.
    if (isUnwanted && this.#dismisses()) return;
    this.onAnswer(head);
  }

  /** The second attempt becomes the one there is; the first is given up. */
  #adoptHedge(): void {
    const hedge = this.#hedge!;
    this.#hedge = null;
    // Phases of the first attempt that are still awaited don't go on.
    this.generation++;
    super.dropUpstream(null);
    hedge.win();
    this.takeAttempt(hedge);
    this.#gate = hedge.gate;
    this.peer = hedge.peer;
    this.session.peer = hedge.peer;
    this.upstreamReused = hedge.reused;
    this.upstreamTls = hedge.upstream!.tls as TlsDigest | null;
    if (this.proxy.isTimed) this.session.timings.connected = hedge.connectedAt;
    this.flowFrom(hedge.upstream!);
    this.releaseRequest(Hold.NotReady);
  }

  /** @internal */
  onHedgeFailed(error: ProxyError): void {
    const hedge = this.#hedge!;
    this.#hedge = null;
    hedge.gate?.leave();
    if (this.#isFirstAlive) {
      this.session.peer = this.peer;
      return;
    }
    this.peer = hedge.peer;
    this.session.peer = hedge.peer;
    this.upstreamReused = hedge.reused;
    this.#alarms?.clearAttempt();
    if (error.source !== "upstream") this.fail(error);
    else if (hedge.isConnected) this.#afterFailure(error);
    else this.#afterConnectFailure(error);
  }
}

function tooLate(code: "UPSTREAM_CONNECT_TIMEOUT" | "UPSTREAM_FIRST_BYTE_TIMEOUT"): ProxyError {
  return new ProxyError(code, "the time of this try is over");
}
