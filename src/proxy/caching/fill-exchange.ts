import { ProxyError } from "../../base/errors.ts";
import type { RequestHead, ResponseHead } from "../../http/heads.ts";
import type { DownstreamStream } from "../../http/streams.ts";
import { Exchange } from "../exchange.ts";
import type { HttpProxy } from "../http-proxy.ts";
import type { Session } from "../session.ts";
import type { MeteredClient } from "../traffic/session-meter.ts";

/**
 * An exchange without a client: a cache gets by it what it hasn't, or hasn't any more. It begins where a request would go
 * upstream, goes through the phases from there to where a cache sees the response, and what comes of it goes to `downstream`.
 * It has a session of its own with the context of the one that it is for, so that phases choose as they would for that.
 */
export class FillExchange<C> extends Exchange<C> {
  /** @param origin whose request it is that finds nothing in the cache; it may be over before this is */
  constructor(
    proxy: HttpProxy<C>,
    downstream: DownstreamStream,
    request: RequestHead,
    client: MeteredClient,
    origin: Session<C>,
  ) {
    super(proxy, downstream, request, client);
    this.responsePlan = proxy.plans.beforeCache;
    const { session } = this;
    session.context = origin.context;
    session.retryPolicy = origin.retryPolicy;
    session.retryGate = origin.retryGate;
    session.upstreamTraffic = origin.upstreamTraffic;
  }

  override start(): void {
    this.open();
    this.proxy.fills.add(this);
    this.limit();
    this.goUpstream();
    // A request that a cache makes has no body.
    if (!this.isDone) this.onRequestEnd(null);
  }

  /** Nobody is answered here: whoever wants the response decides what an error is to them. */
  override fail(error: ProxyError): void {
    if (this.isDone) return;
    this.generation++;
    this.dropUpstream(error);
    this.stopBodies();
    this.session.error ??= error;
    this.cut();
  }

  /** What has come of the response is enough, or nobody wants the rest. */
  giveUp(): void {
    this.fail(new ProxyError("DOWNSTREAM_CLOSED", "the response isn't wanted any more"));
  }

  /** Counted and logged is the session that it was for, with what that sends. */
  protected override finish(): void {
    this.proxy.fills.delete(this);
  }

  protected override noteMoved(): void {}

  /** Counted where it is sent. */
  override onInformational(head: ResponseHead): void {
    this.hasInformed = true;
    this.downstream.sendInformational(head);
  }
}
