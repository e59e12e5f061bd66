import { ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { isBodiless } from "../http/status.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { ByteStream, RequestAdditions, UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { Http2ClientOptions } from "./client-options.ts";
import { Http2Error, nameOfHttp2Error } from "./error-codes.ts";
import type { ReceiveWindow } from "./flow-window.ts";
import type { FieldBlock } from "./hpack/field-block.ts";
import { BlockResponse } from "./received-block.ts";
import { StreamCore, type StreamOwner } from "./stream-core.ts";
import { StreamState } from "./stream-states.ts";

/** What a client's stream asks of its connection besides. */
export interface ClientStreamOwner extends StreamOwner {
  /** Gives the stream a number and sends the request's head; false when the connection takes no more. */
  openStream(
    stream: Http2ClientStream,
    head: RequestHead,
    body: BodyLength,
    additions: RequestAdditions,
  ): boolean;
  /** A stream that never sent a head isn't going to. */
  releasePlace(): void;
  /** The server takes nothing on one stream. True when that is all of the connection's standstill, which ends it. */
  isStuck(takenBefore: number): boolean;
  /** What is known of the connection's TLS; null without. */
  readonly tls: TlsDigest | null;
  /** Bytes that the kernel took so far. */
  readonly takenBytes: number;
}

/** Interim responses before a final one; more are a fault or an attack. */
const MAX_INTERIM = 32;

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
  #headSent = false;
  #requestSent = false;
  #hasHead = false;
  #interim = 0;
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
    this.#headSent = true;
    this.#toHead = head.method === "HEAD";
    if (this.owner.openStream(this, head, body, additions)) return;
    this.state = StreamState.Closed;
    // Whoever sends isn't ready for an answer while it does.
    process.nextTick(() => this.onRefused());
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (this.#sink !== null) this.write(bytes, start, end);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (this.#sink === null || this.#requestSent) return;
    this.#requestSent = true;
    if (!this.hasSentEnd) this.endWriting(trailers);
    if (!this.#hasHead && !this.isClosed) this.#options.firstByteTimeout.set(this.#deadline);
  }

  abort(): void {
    this.#end();
    this.drop();
    if (this.#headSent) this.owner.resetStream(this, Http2Error.Cancel);
    else this.#leavePlace();
  }

  #leavePlace(): void {
    if (this.isClosed) return;
    this.state = StreamState.Closed;
    this.owner.releasePlace();
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
    this.#sink?.onUpstreamBlocked();
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
    this.#sink?.onUpstreamDrained();
  }

  override finishQueue(): void {
    this.#writeDeadline?.clear();
    super.finishQueue();
  }

  /** There is no upgrade in HTTP/2, and a CONNECT never comes here. */
  toByteStream(): ByteStream {
    throw new Error("An HTTP/2 stream is no byte stream");
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  pauseResponse(): void {
    if (this.isReadPaused) return;
    this.pauseReading();
    if (this.#deadline.isIn(this.#options.readTimeout)) this.#deadline.clear();
  }

  resumeResponse(): void {
    if (!this.isReadPaused) return;
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
    if (isEndStream || ++this.#interim > MAX_INTERIM) return `interim response ${block.status}`;
    const head = new ResponseHead(new BlockResponse(block), block.status, "none");
    head.present = block.present;
    if (this.#requestSent) this.#options.firstByteTimeout.set(this.#deadline);
    this.#sink?.onInformational(head);
    head.source.settle();
    return null;
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

  protected onBody(bytes: Buffer, start: number, end: number): void {
    this.bytesReceived += end - start;
    if (this.#expectsMore && !this.isReadPaused) this.#options.readTimeout.set(this.#deadline);
    this.#sink?.onResponseBody(bytes, start, end);
  }

  /** A server that answered before it had the whole request gets no more of it. */
  protected onBodyEnd(trailers: HttpHeaders | null): void {
    const sink = this.#sink;
    this.#end();
    this.drop();
    this.owner.resetStream(this, Http2Error.Cancel);
    sink?.onResponseEnd(trailers);
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  onDeadline(queue: TimeoutQueue): void {
    const isFirst = queue === this.#options.firstByteTimeout;
    this.#give(new ProxyError(isFirst ? "UPSTREAM_FIRST_BYTE_TIMEOUT" : "UPSTREAM_READ_TIMEOUT"));
  }

  /** Gives the request up and says so. */
  #give(error: ProxyError): void {
    const sink = this.#sink;
    this.abort();
    sink?.onUpstreamError(error);
  }

  onReset(code: number): void {
    if (code === Http2Error.RefusedStream && !this.#hasHead && this.#interim === 0) {
      this.onRefused();
      return;
    }
    const error = new ProxyError("UPSTREAM_RESET", `${nameOfHttp2Error(code)} on a stream`);
    // An answer, though none to the request: nothing died that had been idle.
    error.retry = "no";
    this.#tell(error);
  }

  /** The server has done nothing with the request, and won't. */
  onRefused(): void {
    this.#tell(new ProxyError("UPSTREAM_REFUSED"));
  }

  onBroken(_code: Http2Error, message: string): void {
    this.#tell(new ProxyError("UPSTREAM_BAD_RESPONSE", message));
  }

  onConnectionLost(error: ProxyError): void {
    const failure = new ProxyError(error.code, undefined, { cause: error });
    if (this.#hasHead || this.#interim > 0) failure.retry = "no";
    this.#tell(failure);
  }

  /** The stream is gone already. */
  #tell(error: ProxyError): void {
    const sink = this.#sink;
    this.#end();
    this.drop();
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
