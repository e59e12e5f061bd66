import { ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { MAX_INTERIM, MAX_INTERIM_BYTES } from "../http/interim-limits.ts";
import { isBodiless } from "../http/status.ts";
import type {
  ByteSink,
  ByteStream,
  RequestAdditions,
  UpstreamSink,
  UpstreamStream,
} from "../http/streams.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Http2ClientOptions } from "./client-options.ts";
import { Http2Error, Http2StreamReset, nameOfHttp2Error } from "./error-codes.ts";
import type { ReceiveWindow } from "./flow-window.ts";
import type { FieldBlock } from "./hpack/field-block.ts";
import { BlockResponse } from "./received-block.ts";
import { StreamCore, type StreamOwner } from "./stream-core.ts";
import { StreamState } from "./stream-states.ts";
import { StreamTunnel } from "./stream-tunnel.ts";
import { acceptFor, type TunnelKind, toTunnelHead, tunnelOf } from "./tunnel-request.ts";

/** What a client's stream asks of its connection besides. */
export interface ClientStreamOwner extends StreamOwner {
  /** Gives the stream a number and sends the request's head. @returns why it can't, null when it could */
  openStream(
    stream: Http2ClientStream,
    head: RequestHead,
    body: BodyLength,
    additions: RequestAdditions,
  ): ProxyError | null;
  /** Opens a stream for a WebSocket as soon as the server has said whether it knows any. */
  openTunnel(stream: Http2ClientStream, head: RequestHead, additions: RequestAdditions): void;
  /** A stream that never sent a head isn't going to. */
  releasePlace(): void;
  /** The server takes nothing on one stream. True when that is all of the connection's standstill, which ends it. */
  isStuck(takenBefore: number): boolean;
  /** What is known of the connection's TLS; null without. */
  readonly tls: TlsDigest | null;
  /** A request on one stream was waited for in vain. That may be because of the connection. */
  doubt(): void;
  /** Bytes that the kernel took so far. */
  readonly takenBytes: number;
}

/** Bytes of a body that nobody wants: more of them are stopped by a reset. */
const MAX_DISMISSED = 64 * 1024;

/** One request on a connection to a server, with its response. */
export class Http2ClientStream extends StreamCore implements UpstreamStream, DeadlineOwner {
  readonly reused: boolean;
  readonly mayRefuse = true;
  bytesReceived = 0;
  declare protected readonly owner: ClientStreamOwner;
  readonly #options: Http2ClientOptions;
  readonly #deadline: Deadline = new Deadline(this);
  #writeDeadline: Deadline | null = null;
  #takenBefore = 0;
  #sink: UpstreamSink | null = null;
  #toHead = false;
  #requestSent = false;
  #hasHead = false;
  /** The byte stream that is asked for. */
  #tunnelKind: TunnelKind | null = null;
  #accept: string | null = null;
  /** Whether the server has agreed to it. */
  #isSwitched = false;
  #tunnel: StreamTunnel | null = null;
  #interim = 0;
  #interimBytes = 0;
  /** The response's body as its head declares it. */
  #body: BodyLength = "unknown";
  /** What came of it in DATA. */
  #counted = 0;

  constructor(
    owner: ClientStreamOwner,
    options: Http2ClientOptions,
    initialSendWindow: number,
    receives: ReceiveWindow,
    reused: boolean,
  ) {
    super(owner, initialSendWindow, receives);
    this.#options = options;
    this.reused = reused;
  }

  get tls(): TlsDigest | null {
    return this.owner.tls;
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  begin(sink: UpstreamSink): void {
    this.#sink = sink;
  }

  sendHead(head: RequestHead, body: BodyLength, additions: RequestAdditions): void {
    if (this.#sink === null) return;
    this.#toHead = head.method === "HEAD";
    this.#tunnelKind = tunnelOf(head, body, additions);
    if (this.#tunnelKind === "websocket") {
      this.#accept = acceptFor(head);
      this.owner.openTunnel(this, head, additions);
      return;
    }
    const problem = this.owner.openStream(this, head, body, additions);
    // Whoever sends isn't ready for an answer while it does.
    if (problem !== null) process.nextTick(() => this.fail(problem));
  }

  /** The byte stream that the request asks for, null for none. */
  get tunnelKind(): TunnelKind | null {
    return this.#tunnelKind;
  }

  /** True once the server has agreed to be one: what follows is DATA and nothing else (RFC 9113 §8.5). */
  get isTunnel(): boolean {
    return this.#isSwitched;
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (this.#sink !== null) this.write(bytes, start, end);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (this.#sink === null || this.#requestSent) return;
    this.#requestSent = true;
    if (!this.hasSentEnd && this.#tunnelKind === null) this.endWriting(trailers);
    if (!this.#hasHead && !this.isClosed) this.#options.firstByteTimeout.set(this.#deadline);
  }

  abort(): void {
    this.#end();
    this.drop();
    if (this.state !== StreamState.Idle) this.owner.resetStream(this, Http2Error.Cancel);
    else {
      this.state = StreamState.Closed;
      this.owner.releasePlace();
    }
  }

  dismiss(): void {
    const isShort = typeof this.#body === "number" && this.#body <= MAX_DISMISSED;
    if (!this.#requestSent || !(isShort || this.isClosed)) {
      this.abort();
      return;
    }
    this.#sink = null;
    this.resumeResponse();
  }

  protected onSendBlocked(): void {
    this.#writeDeadline ??= new Deadline({ onDeadline: () => this.#onWriteDeadline() });
    this.#watchWriting();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesBlocked();
    else this.#sink?.onUpstreamBlocked();
  }

  #watchWriting(): void {
    this.#takenBefore = this.owner.takenBytes;
    this.#options.writeTimeout.set(this.#writeDeadline!);
  }

  #onWriteDeadline(): void {
    if (this.owner.isStuck(this.#takenBefore)) this.#give(new ProxyError("UPSTREAM_WRITE_TIMEOUT"));
    else this.#watchWriting();
  }

  protected override onSendProgress(): void {
    this.#watchWriting();
    if (this.#deadline.isIn(this.#options.firstByteTimeout))
      this.#options.firstByteTimeout.set(this.#deadline);
  }

  protected onSendDrained(): void {
    this.#writeDeadline?.clear();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesDrained();
    else this.#sink?.onUpstreamDrained();
  }

  override finishQueue(): void {
    this.#writeDeadline?.clear();
    super.finishQueue();
  }

  // ── a tunnel ───────────────────────────────────────────────────────────────────────────────────────────────────

  toByteStream(sink: ByteSink): ByteStream {
    const tunnel = new StreamTunnel(this, sink);
    this.#tunnel = tunnel;
    this.#sink = null;
    if (this.isClosed) process.nextTick(() => tunnel.close(new ProxyError("UPSTREAM_CLOSED")));
    else this.resumeReading();
    return tunnel;
  }

  /** Both directions have ended. */
  onComplete(): void {
    this.#writeDeadline?.clear();
    this.#tunnel?.onComplete();
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  pauseResponse(): void {
    if (this.isReadPaused) return;
    this.pauseReading();
    if (this.#deadline.isIn(this.#options.readTimeout)) this.#deadline.clear();
  }

  resumeResponse(): void {
    if (!this.isReadPaused || this.#isSwitched) return;
    if (this.#hasHead && this.#expectsMore) this.#options.readTimeout.set(this.#deadline);
    this.resumeReading();
  }

  get #expectsMore(): boolean {
    return this.state === StreamState.Open || this.state === StreamState.LocalEnded;
  }

  get hasHead(): boolean {
    return this.#hasHead;
  }

  /** The head of an interim or the final response; returns what is wrong with it. */
  takeHead(block: FieldBlock, isEndStream: boolean): string | null {
    const { status } = block;
    if (status < 200) return this.#takeInterim(block, isEndStream);
    if (this.#tunnelKind !== null) {
      if (status < 300) {
        this.#takeSwitch(block, this.#tunnelKind);
        return null;
      }
      // It has its answer.
      this.endWriting(null);
    }
    this.#body = responseLength(block, isEndStream, this.#toHead);
    if (isEndStream && typeof this.#body === "number" && this.#body > 0) return "a body that doesn't come";
    this.#hasHead = true;
    const head = new ResponseHead(new BlockResponse(block), status, this.#body);
    head.present = block.present;
    if (isEndStream) this.#deadline.clear();
    else this.#options.readTimeout.set(this.#deadline);
    this.#sink?.onResponseHead(head);
    head.source.settle();
    return null;
  }

  #takeInterim(block: FieldBlock, isEndStream: boolean): string | null {
    this.#interimBytes += block.listSize;
    const isTooMuch = ++this.#interim > MAX_INTERIM || this.#interimBytes > MAX_INTERIM_BYTES;
    if (isEndStream || isTooMuch) return `interim response ${block.status}`;
    const head = new ResponseHead(new BlockResponse(block), block.status, "none");
    head.present = block.present;
    if (this.#requestSent) this.#options.firstByteTimeout.set(this.#deadline);
    this.#sink?.onInformational(head);
    head.source.settle();
    return null;
  }

  /** What comes from now on is the tunnel's, and waits for it. */
  #takeSwitch(block: FieldBlock, kind: TunnelKind): void {
    this.#hasHead = true;
    this.#isSwitched = true;
    this.#deadline.clear();
    this.pauseReading();
    const head = toTunnelHead(block, kind, this.#accept);
    if (kind === "websocket") this.#sink?.onInformational(head);
    else this.#sink?.onResponseHead(head);
    head.source.settle();
  }

  /** What is wrong with DATA of this length, null for nothing. */
  findDataProblem(length: number): string | null {
    if (!this.#hasHead) return "DATA before a response's head";
    this.#counted += length;
    if (this.#body === "unknown") return null;
    const most = this.#body === "none" ? 0 : this.#body;
    return this.#counted > most ? "a longer body than its head declares" : null;
  }

  /** What is wrong with the response's end here. */
  findEndProblem(): string | null {
    if (!this.#hasHead) return "an end without a head";
    return typeof this.#body === "number" && this.#counted < this.#body
      ? "a shorter body than its head declares"
      : null;
  }

  /** Servers that end a stream in two steps, the end and the reset, may send the second first. */
  get #hasAllDeclared(): boolean {
    if (!this.#hasHead || this.#body === "unknown") return false;
    return this.#counted === (this.#body === "none" ? 0 : this.#body);
  }

  protected onBody(bytes: Buffer, start: number, end: number): void {
    this.bytesReceived += end - start;
    if (this.#tunnel !== null) {
      this.#tunnel.sink.onBytes(bytes, start, end);
      return;
    }
    if (this.#expectsMore && !this.isReadPaused) this.#options.readTimeout.set(this.#deadline);
    this.#sink?.onResponseBody(bytes, start, end);
  }

  /** A server that answered before it had the whole request gets no more of it. */
  protected onBodyEnd(trailers: HttpHeaders | null): void {
    if (this.#tunnel !== null) {
      this.#tunnel.onEnd();
      return;
    }
    const sink = this.#sink;
    this.#end();
    this.drop();
    this.owner.resetStream(this, Http2Error.Cancel);
    sink?.onResponseEnd(trailers);
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  onDeadline(queue: TimeoutQueue): void {
    const isFirst = queue === this.#options.firstByteTimeout;
    this.owner.doubt();
    this.#give(new ProxyError(isFirst ? "UPSTREAM_FIRST_BYTE_TIMEOUT" : "UPSTREAM_READ_TIMEOUT"));
  }

  /** Gives the request up and says so. */
  #give(error: ProxyError): void {
    const sink = this.#sink;
    this.abort();
    this.#tunnel?.close(error);
    sink?.onUpstreamError(error);
  }

  /** A server that has answered, or has said its last word in a tunnel, need not hear the rest (RFC 9113 §8.1). */
  onReset(code: number): void {
    if (this.isWhole && (!this.#isSwitched || code === Http2Error.NoError)) {
      this.#stopWriting();
      return;
    }
    if (code === Http2Error.NoError && this.#hasAllDeclared) {
      this.#stopWriting();
      this.receiveEnd(null);
      return;
    }
    if (code === Http2Error.RefusedStream && !this.#hasHead && this.#interim === 0) {
      this.onRefused();
      return;
    }
    const error = new ProxyError("UPSTREAM_RESET", `${nameOfHttp2Error(code)} on a stream`, {
      cause: new Http2StreamReset(code),
    });
    // An answer, though none to the request: nothing died that had been idle.
    error.retry = "no";
    this.fail(error);
  }

  /** The server has done nothing with the request, and won't. */
  onRefused(): void {
    this.fail(new ProxyError("UPSTREAM_REFUSED"));
  }

  onBroken(_code: Http2Error, message: string): void {
    this.fail(new ProxyError("UPSTREAM_BAD_RESPONSE", message));
  }

  /** What is still held here of the response is handed on all the same. */
  #stopWriting(): void {
    this.dropOutput();
    this.onComplete();
  }

  onConnectionLost(error: ProxyError): void {
    if (this.isWhole && !this.#isSwitched) {
      this.#stopWriting();
      return;
    }
    const failure = new ProxyError(error.code, undefined, { cause: error });
    if (this.#hasHead || this.#interim > 0) failure.retry = "no";
    this.fail(failure);
  }

  /** @internal the stream is gone already, or never was there */
  fail(error: ProxyError): void {
    const sink = this.#sink;
    this.#end();
    this.drop();
    this.state = StreamState.Closed;
    this.#tunnel?.close(error);
    sink?.onUpstreamError(error);
  }

  #end(): void {
    this.#sink = null;
    this.#deadline.clear();
    this.#writeDeadline?.clear();
  }
}

/** A head that ends its stream has no body, however long it says that it is; others are as long as they say. */
function responseLength(block: FieldBlock, isEndStream: boolean, toHead: boolean): BodyLength {
  if (toHead || isBodiless(block.status)) return "none";
  if (block.contentLength >= 0) return block.contentLength;
  return isEndStream ? 0 : "unknown";
}
