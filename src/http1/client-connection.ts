import { ProxyError } from "../base/errors.ts";
import { holdMore } from "../base/held-bytes.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import { MAX_INTERIM, MAX_INTERIM_BYTES } from "../http/interim-limits.ts";
import type {
  ByteSink,
  ByteStream,
  RequestAdditions,
  UpstreamSink,
  UpstreamStream,
} from "../http/streams.ts";
import { describeSocketError } from "../net/describe-socket-error.ts";
import { output } from "../net/output.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { WriteWatch, type WriteWatchOwner } from "../net/write-watch.ts";
import { BODY_REFUSED, BodyDecoder, type BodySink } from "./body-decoder.ts";
import { BodyWriter } from "./body-writer.ts";
import { TransportByteStream } from "./byte-stream.ts";
import type { ClientOptions } from "./client-options.ts";
import { writeRequestHead } from "./head-encoder.ts";
import { ScanOutcome } from "./head-limits.ts";
import type { HeadScan } from "./head-scan.ts";
import { isSwitch, mayBeReused, toResponseHead } from "./response-rules.ts";

const State = {
  /** No request is under way. */
  Idle: 0,
  /** A request is out; its response's head isn't complete. */
  Head: 1,
  Body: 2,
  /** A 101 came; what follows waits for the byte stream. */
  Switching: 3,
  Tunnel: 4,
  Closed: 5,
} as const;

/** Bytes of a body that nobody wants: reading more of them costs more than another connection. */
const MAX_DISMISSED = 64 * 1024;

/** Who keeps a connection between requests. */
export interface ConnectionKeeper {
  /** It may carry another request. */
  onReusable(connection: ClientConnection): void;
  onClosed(connection: ClientConnection): void;
}

/** The client's side of an HTTP/1 connection: one request out, its response in, then perhaps another. */
export class ClientConnection
  implements TransportHandler, UpstreamStream, BodySink, DeadlineOwner, WriteWatchOwner
{
  transport!: Transport;
  /** Requests begun on this connection. */
  requestCount = 0;
  bytesReceived = 0;

  readonly #options: ClientOptions;
  readonly #keeper: ConnectionKeeper;
  readonly #deadline: Deadline = new Deadline(this);
  #watch: WriteWatch | null = null;
  #state: number = State.Idle;
  #sink: UpstreamSink | null = null;
  /** The beginning of a head, or bytes that came while the sink was paused. */
  #held: Buffer | null = null;
  /** What was held and is being handled: its rest can be held again without a copy. */
  #own: Buffer | null = null;
  #processing = false;
  #paused = false;
  #toHead = false;
  #asksUpgrade = false;
  #accept: string | null = null;
  #headSent = false;
  #requestSent = false;
  #reusable = false;
  #interim = 0;
  #interimBytes = 0;
  #trailers: HttpHeaders | null = null;
  #decoder: BodyDecoder | null = null;
  #writer: BodyWriter | null = null;
  #tunnel: TransportByteStream | null = null;

  constructor(options: ClientOptions, keeper: ConnectionKeeper) {
    this.#options = options;
    this.#keeper = keeper;
  }

  /** HTTP/1 has no words for it. */
  get mayRefuse(): boolean {
    return false;
  }

  get reused(): boolean {
    return this.requestCount > 1;
  }

  get tls(): TlsDigest | null {
    return this.transport.tls;
  }

  /** True while it may be given a request. */
  get usable(): boolean {
    return this.#state === State.Idle && !this.transport.closed && !this.transport.ended;
  }

  /** A new connection that nobody has a request for is kept for the next one. */
  putBack(): void {
    this.#keeper.onReusable(this);
  }

  /** Takes the connection for one request. */
  begin(sink: UpstreamSink): void {
    this.#sink = sink;
    this.#state = State.Head;
    this.requestCount++;
    this.#paused = false;
    this.#headSent = false;
    this.#requestSent = false;
    this.#reusable = false;
    this.#interim = 0;
    this.#interimBytes = 0;
    this.bytesReceived = 0;
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  get blocked(): boolean {
    return this.transport.blocked;
  }

  sendHead(head: RequestHead, body: BodyLength, additions: RequestAdditions): void {
    if (this.#sink === null) return;
    this.#headSent = true;
    this.#toHead = head.method === "HEAD";
    this.#asksUpgrade = additions.upgrade !== null;
    this.#accept = additions.accept;
    writeRequestHead(output, this.transport, head, body, additions);
    if (body !== "none") this.#writer ??= new BodyWriter(this.transport);
    this.#writer?.start(body);
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (this.#sink !== null) this.#writer?.write(bytes, start, end);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (this.#sink === null || this.#requestSent) return;
    this.#writer?.end(trailers);
    this.#requestSent = true;
    if (this.#state === State.Head) this.#options.firstByteTimeout.set(this.#deadline);
  }

  abort(): void {
    this.#sink = null;
    this.#deadline.clear();
    this.transport.destroy();
  }

  dismiss(): void {
    if (!this.#requestSent || this.#decoder!.remaining > MAX_DISMISSED) {
      this.abort();
      return;
    }
    this.#sink = null;
    this.resumeResponse();
  }

  pauseResponse(): void {
    if (this.#paused) return;
    this.#paused = true;
    if (this.#deadline.isIn(this.#options.readTimeout)) this.#deadline.clear();
    this.transport.pause();
  }

  resumeResponse(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#state === State.Body && this.#decoder!.remaining > 0) {
      this.#options.readTimeout.set(this.#deadline);
    }
    this.#goOn();
  }

  toByteStream(sink: ByteSink): ByteStream {
    this.#tunnel = new TransportByteStream(this.transport, sink);
    this.#state = State.Tunnel;
    this.#sink = null;
    this.#paused = false;
    this.#deadline.clear();
    const held = this.#held;
    this.#held = null;
    // Before the sink gets anything, for it may stop the reading at once.
    this.transport.resume();
    if (held !== null) sink.onBytes(held, 0, held.length);
    return this.#tunnel;
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytes(bytes, start, end);
    else if (this.#held === null) this.#process(bytes, start, end);
    else if (this.#state === State.Head) this.#growHead(bytes, start, end);
    else this.#hold(bytes, start, end);
  }

  #process(bytes: Buffer, start: number, end: number): void {
    this.#processing = true;
    let at = start;
    while (at < end && !this.transport.closed) {
      if (this.#state === State.Head) at = this.#readHead(bytes, at, end);
      else if (this.#state === State.Body && !this.#paused) at = this.#readBody(bytes, at, end);
      else break;
    }
    this.#processing = false;
    if (at >= end || this.transport.closed) return;
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytes(bytes, at, end);
    else if (this.#state === State.Body || this.#state === State.Switching) this.#hold(bytes, at, end);
    // An idle server has nothing to say: what it says could only be taken for the next response.
    else this.transport.destroy();
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    if (this.#held === null && bytes === this.#own) this.#held = bytes.subarray(start, end);
    else this.#held = holdMore(this.#held, bytes, start, end);
  }

  /** A head that comes in pieces is read again only when a line ended or a limit was passed. */
  #growHead(bytes: Buffer, start: number, end: number): void {
    const before = this.#held!.length;
    this.#hold(bytes, start, end);
    const held = this.#held!;
    if (held.length > this.#options.settings.head.bytes || held.indexOf(0x0a, before) !== -1)
      this.#processHeld();
  }

  #processHeld(): void {
    const held = this.#held!;
    this.#held = null;
    this.#own = held;
    this.#process(held, 0, held.length);
    this.#own = null;
  }

  /** Goes on after a pause. One that ends while bytes are being handled only has to read on. */
  #goOn(): void {
    if (!this.#processing) {
      if (this.#held !== null) this.#processHeld();
      else if (this.#state === State.Body && this.#decoder!.remaining === 0) this.#finishBody(true);
    }
    if (!this.#paused && this.#state !== State.Switching) this.transport.resume();
    if (this.transport.ended && !this.#processing && !this.#paused && this.#state === State.Body)
      this.onEnd();
  }

  #readHead(bytes: Buffer, start: number, end: number): number {
    // Before the request is out this can't be the answer to it.
    if (!this.#headSent) {
      this.#fail(this.#closedError("UPSTREAM_CLOSED", "it spoke before it was asked"));
      return end;
    }
    const { scans } = this.#options;
    const scan = scans.take();
    const outcome = scan.scanResponse(bytes, start, end);
    const { end: headEnd, problem } = scan;
    if (outcome === ScanOutcome.Complete) this.#takeHead(scan, headEnd === end);
    scans.giveBack(scan);
    if (outcome === ScanOutcome.Complete) return headEnd;
    if (outcome === ScanOutcome.Refused) this.#fail(new ProxyError("UPSTREAM_BAD_RESPONSE", problem));
    else this.#hold(bytes, start, end);
    return end;
  }

  #takeInterim(scan: HeadScan): void {
    const head = toResponseHead(scan, this.#toHead);
    const mayCome = scan.status !== 101 || (this.#asksUpgrade && this.#requestSent && isSwitch(scan));
    this.#interimBytes += scan.end - scan.start;
    const isTooMuch = ++this.#interim > MAX_INTERIM || this.#interimBytes > MAX_INTERIM_BYTES;
    if (typeof head === "string" || !mayCome || !this.#isAnswer(head) || isTooMuch) {
      this.#fail(new ProxyError("UPSTREAM_BAD_RESPONSE", `interim response ${scan.status}`));
      return;
    }
    if (scan.status === 101) {
      this.#deadline.clear();
      this.#state = State.Switching;
      // Until somebody takes the stream, which goes on reading.
      this.transport.pause();
    } else if (this.#requestSent) this.#options.firstByteTimeout.set(this.#deadline);
    this.#sink?.onInformational(head);
    head.source.settle();
  }

  /**
   * Whether this answers a request for a WebSocket by a client that can't look for itself: a 101 has to be for our key, not for
   * anybody's (RFC 6455 §4.1), and any other good answer would be taken for a 101 (RFC 8441 §5).
   */
  #isAnswer(head: ResponseHead): boolean {
    const accept = this.#accept;
    if (accept === null) return true;
    const { status } = head;
    if (status === 101) return head.headers.get("sec-websocket-accept") === accept;
    return status < 200 || status >= 300;
  }

  #takeHead(scan: HeadScan, isLast: boolean): void {
    if (scan.status < 200) this.#takeInterim(scan);
    else this.#takeFinal(scan, isLast);
  }

  #takeFinal(scan: HeadScan, isLast: boolean): void {
    const head = toResponseHead(scan, this.#toHead);
    if (typeof head === "string" || !this.#isAnswer(head)) {
      const problem = typeof head === "string" ? head : `${scan.status} to a request for a WebSocket`;
      this.#fail(new ProxyError("UPSTREAM_BAD_RESPONSE", problem));
      return;
    }
    this.#reusable = mayBeReused(scan, head);
    this.#state = State.Body;
    const hasBody = this.#beginBody(scan, head, isLast);
    this.#sink?.onResponseHead(head);
    head.source.settle();
    if (hasBody || this.#paused || this.transport.closed || this.#state !== State.Body) return;
    this.#finishBody(isLast);
  }

  #beginBody(scan: HeadScan, head: ResponseHead, isLast: boolean): boolean {
    const { body } = head;
    this.#decoder ??= new BodyDecoder(this, this.#options.settings.chunked);
    this.#trailers = null;
    if (body === "none" || body === 0) this.#decoder.startNone();
    else if (body !== "unknown") this.#decoder.startLength(body);
    else if (scan.chunked) this.#decoder.startChunked();
    else this.#decoder.startUntilClose();
    const hasBody = this.#decoder.remaining > 0;
    // What came along with the head is read at once: most bodies are complete before there is anything to wait for.
    if (hasBody && isLast) this.#options.readTimeout.set(this.#deadline);
    else this.#deadline.clear();
    return hasBody;
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    const decoder = this.#decoder!;
    const at = decoder.decode(bytes, start, end);
    if (at === BODY_REFUSED) {
      this.#fail(new ProxyError("UPSTREAM_BAD_RESPONSE", "malformed chunked body"));
      return end;
    }
    if (this.transport.closed) return at;
    if (decoder.complete) this.#finishBody(at === end);
    else if (!this.#paused) this.#options.readTimeout.set(this.#deadline);
    return at;
  }

  get bodyPaused(): boolean {
    return this.#paused;
  }

  onBodyChunk(bytes: Buffer, start: number, end: number): void {
    this.bytesReceived += end - start;
    this.#sink?.onResponseBody(bytes, start, end);
  }

  onBodyEnd(trailers: HeadScan | null): void {
    this.#trailers = trailers === null ? null : HttpHeaders.copyOf(trailers);
  }

  /** The response is complete. The connection goes back first: the sink may begin another request at once. */
  #finishBody(isLast: boolean): void {
    const sink = this.#sink;
    const trailers = this.#trailers;
    this.#deadline.clear();
    this.#sink = null;
    this.#trailers = null;
    this.#state = State.Idle;
    this.transport.expectLittle();
    const isClean = isLast && this.#requestSent && !this.transport.hasUnsent;
    if (this.#reusable && isClean && this.usable) this.#keeper.onReusable(this);
    else this.transport.destroy();
    sink?.onResponseEnd(trailers);
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  #fail(error: ProxyError): void {
    const sink = this.#sink;
    this.#sink = null;
    this.#deadline.clear();
    this.transport.destroy();
    sink?.onUpstreamError(error);
  }

  onDeadline(queue: TimeoutQueue): void {
    const options = this.#options;
    if (queue === options.firstByteTimeout) this.#fail(new ProxyError("UPSTREAM_FIRST_BYTE_TIMEOUT"));
    else this.#fail(new ProxyError("UPSTREAM_READ_TIMEOUT"));
  }

  onBlocked(): void {
    this.#watch ??= new WriteWatch(this.transport, this.#options.writeTimeout, this);
    this.#watch.start();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesBlocked();
    else this.#sink?.onUpstreamBlocked();
  }

  onDrain(): void {
    this.#watch?.stop();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesDrained();
    else this.#sink?.onUpstreamDrained();
  }

  onStuck(): void {
    this.#fail(new ProxyError("UPSTREAM_WRITE_TIMEOUT"));
  }

  onEnd(): void {
    if (this.#state === State.Tunnel) {
      this.#tunnel!.sink.onBytesEnd();
      return;
    }
    // What came before is read first; `resumeResponse` comes back here.
    if (this.#paused && this.#state === State.Body) return;
    const endsBody = this.#state === State.Body && this.#decoder!.endsWithConnection;
    // RFC 9112 §9.8: otherwise whoever is in between could shorten it.
    if (endsBody && this.transport.endsUnsaid)
      this.#fail(this.#closedError("UPSTREAM_CLOSED", "it ended its response without saying so in TLS"));
    else if (endsBody) {
      this.#decoder!.finish(null);
      this.#finishBody(false);
    } else if (this.#sink !== null) this.#fail(this.#closedError("UPSTREAM_CLOSED"));
    else this.transport.destroy();
  }

  /** A request that wasn't sent can be sent again; one that was answered, if only by a byte, has been acted on. */
  #closedError(code: "UPSTREAM_CLOSED" | "UPSTREAM_RESET", detail?: string, cause?: Error): ProxyError {
    const error = new ProxyError(code, detail, cause === undefined ? undefined : { cause });
    if (!this.#headSent) error.retry = "yes";
    else if (this.#state !== State.Head || this.#held !== null || this.#interim > 0) error.retry = "no";
    return error;
  }

  onClose(error: Error | null): void {
    const wasTunnel = this.#state === State.Tunnel;
    const sink = this.#sink;
    const failure = sink === null ? null : this.#closeFailure(error);
    this.#state = State.Closed;
    this.#sink = null;
    this.#held = null;
    this.#deadline.clear();
    this.#watch?.stop();
    this.#keeper.onClosed(this);
    if (wasTunnel) this.#tunnel!.sink.onBytesClosed(error);
    if (failure !== null) sink?.onUpstreamError(failure);
  }

  #closeFailure(error: Error | null): ProxyError {
    if (error === null) return this.#closedError("UPSTREAM_CLOSED");
    return this.#closedError("UPSTREAM_RESET", describeSocketError(error), error);
  }
}
