import { ProxyError } from "../base/errors.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { DownstreamSink, UpstreamStream } from "../http/streams.ts";
import { Attempts } from "./attempts.ts";
import { Hold } from "./flow.ts";
import type { GrpcCall } from "./grpc/grpc-call.ts";
import { RequestBody } from "./request-body.ts";
import { RequestStream } from "./request-stream.ts";
import { mayRepeat, repeatsSent } from "./retry-rules.ts";
import type { BodyTap } from "./session.ts";
import type { MeteredClient } from "./traffic/session-meter.ts";

/** Bytes that a body may move before they are counted: long ones are seen while they last, short ones at the end. */
const NOTED_AT_ONCE = 256 * 1024;

/**
 * Where a request's body goes: to the server, before that to a phase that wants to read all of it, or to the program
 * alone when it answers the request here.
 */
export abstract class RequestSide<C> extends Attempts<C> implements DownstreamSink {
  /** What the session has besides when it carries a gRPC call. */
  protected grpc: GrpcCall | null = null;
  #body: RequestBody<C> | null = null;
  #stream: RequestStream | null = null;
  /** Who gets a copy of it; null: nobody, or not any more. */
  #tap: BodyTap | null = null;
  #ended = false;
  #unnoted = 0;

  abstract readonly client: MeteredClient;
  /** True before the request is sent, and again when it is to be sent another time. */
  protected abstract readonly isPreparing: boolean;
  abstract onDownstreamError(error: Error): void;

  /** True when all that was sent of the body can be sent again. */
  protected get isReplayable(): boolean {
    return this.#body === null || this.#body.isReplayable;
  }

  /** True while the body is read here, however long a phase takes. */
  protected get isReadHere(): boolean {
    return this.#stream !== null || this.#body?.isCollecting === true;
  }

  /** True when the program took the body for itself: nothing is left to send to a server. */
  protected get isStreamed(): boolean {
    return this.#stream !== null;
  }

  /** True when a server may have acted on the request: it has got all of it, or some of its body. */
  protected get isActedOn(): boolean {
    return this.#body === null || this.#body.isSent;
  }

  /** True when all of the request is there to be sent to a second server. */
  protected get isComplete(): boolean {
    return this.session.request.body === "none" || this.#body?.isComplete === true;
  }

  /** Whether the policy allows another attempt after this one, whatever becomes of it. */
  protected get mayRepeat(): boolean {
    const { retryPolicy, request } = this.session;
    // Whoever has statuses of gRPC repeated means calls, and all of those are POST.
    if (this.grpc !== null && retryPolicy.onGrpcStatus.length > 0) return true;
    return mayRepeat(retryPolicy, request.method, this.isActedOn);
  }

  /** @internal bytes of the request that are kept to be sent again: none where nobody could ask for it */
  get replayLimit(): number {
    const { plan, retryBufferSize } = this.proxy;
    if (plan.errorWhileProxy !== null || this.upstream?.mayRefuse === true) return retryBufferSize;
    const { retryPolicy, request } = this.session;
    if (repeatsSent(retryPolicy)) return this.mayRepeat ? retryBufferSize : 0;
    // All that may happen is that an idle connection dies. For that alone no copies are made of uploads.
    return this.upstreamReused && mayRepeat(retryPolicy, request.method, true) ? retryBufferSize : 0;
  }

  /** The request's head is out: sends what there is of its body, and what comes from now on. */
  protected sendBodyTo(server: UpstreamStream, length: BodyLength): void {
    if (length !== "none") {
      this.#bodyForServer().begin(server, length);
      return;
    }
    // Some phase may have read the body that there isn't; no filter is asked about it.
    this.#body = null;
    if (this.#ended) server.sendEnd(null);
  }

  #bodyForServer(): RequestBody<C> {
    this.#body ??= new RequestBody(this, this.proxy.plan.requestBodyFilter);
    return this.#body;
  }

  /** The head is out to a second server: sends it all of the request's body. */
  protected copyBodyTo(server: UpstreamStream, length: BodyLength): void {
    if (length === "none" || this.#body === null) server.sendEnd(null);
    else this.#body.copyTo(server);
  }

  protected override startOver(isFresh: boolean): void {
    this.#body?.detach();
    super.startOver(isFresh);
  }

  tapBody(tap: BodyTap): void {
    if (this.#ended) tap.onEnd();
    else if (this.isDone) tap.onAbort();
    else this.#tap = tap;
  }

  onRequestBody(bytes: Buffer, start: number, end: number): void {
    this.noteMoved(end - start);
    if (this.#tap !== null) this.#tap.onBytes(bytes, start, end);
    if (this.#stream === null) this.#body?.take(bytes, start, end);
    else this.#stream.take(bytes, start, end);
  }

  /** Bytes of a body went by, in whichever direction. */
  protected noteMoved(bytes: number): void {
    this.#unnoted += bytes;
    if (this.#unnoted < NOTED_AT_ONCE) return;
    this.#unnoted = 0;
    this.proxy.meter?.progress(this.session, this.client);
  }

  onRequestEnd(trailers: HttpHeaders | null): void {
    this.#ended = true;
    if (this.#tap !== null) this.#endTap();
    this.#stream?.body.finish();
    if (this.#body !== null) this.#body.end(trailers);
    else if (!this.isPreparing) this.upstream?.sendEnd(null);
  }

  #endTap(): void {
    const tap = this.#tap;
    this.#tap = null;
    if (this.#ended) tap?.onEnd();
    else tap?.onAbort();
  }

  readBody(limit: number): Promise<Buffer> {
    if (!this.isPreparing || this.#stream !== null) {
      return Promise.reject(new Error("The body is on its way already, or the session is over"));
    }
    const { request } = this.session;
    const body = this.#bodyForServer();
    const content = body.collect(limit, this.#ended ? "none" : request.body);
    if (body.isCollecting && request.expectsContinue) this.#askForBody(request);
    this.releaseRequest(Hold.NotReady);
    return content;
  }

  streamBody(): AsyncIterable<Buffer> {
    const { request } = this.session;
    if (!this.isPreparing || this.#body !== null || this.#stream !== null) {
      throw new Error("The body was read or sent already, or the session is over");
    }
    this.#stream = new RequestStream(this);
    const { body } = this.#stream;
    if (this.#ended || request.body === "none" || request.body === 0) body.finish();
    else if (request.expectsContinue) this.#askForBody(request);
    this.releaseRequest(Hold.NotReady);
    return body;
  }

  /** The client waits for a 100 that no server was asked for. */
  #askForBody(request: RequestHead): void {
    request.headers.delete("expect");
    request.expectsContinue = false;
    this.downstream.sendInformational(ResponseHead.from({ status: 100 }));
  }

  /** No server gets more of the body. What is left is read, by the program or to be thrown away. */
  protected releaseBody(): void {
    const { NotReady, Blocked, Filter, Plugin } = Hold;
    this.releaseRequest(this.#stream === null ? NotReady | Blocked | Filter | Plugin : NotReady);
  }

  /** Nobody is sent more of the body; a program that reads it for itself goes on. */
  protected stopBody(): void {
    this.#body?.stop();
  }

  /** Whoever still reads the body here is told that its rest doesn't come; nothing happens to one that is complete. */
  protected failStream(error: ProxyError | null): void {
    if (this.#tap !== null) this.#endTap();
    this.#stream?.body.fail(error ?? new ProxyError("DOWNSTREAM_CLOSED", "the response has ended"));
  }
}
