import type { Socket } from "node:net";
import { ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import { type BodyLength, ResponseHead } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { ByteSink, ByteStream, DownstreamStream } from "../http/streams.ts";
import { adoptAccepted } from "../net/onread-socket.ts";
import { output } from "../net/output.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { BODY_REFUSED, BodyDecoder, type BodySink } from "./body-decoder.ts";
import { BodyWriter } from "./body-writer.ts";
import { TransportByteStream } from "./byte-stream.ts";
import { writeResponseHead } from "./head-encoder.ts";
import { HEAD_PROBLEMS, type HeadProblem, ScanOutcome } from "./head-limits.ts";
import type { HeadScan } from "./head-scan.ts";
import { RateGuard } from "./rate-guard.ts";
import { isPersistent, skipEmptyLines, toRequestHead } from "./request-rules.ts";
import { responseLines } from "./response-lines.ts";
import type { RequestSink, ServerApplication } from "./server-application.ts";
import type { ServerOptions } from "./server-options.ts";

const State = {
  /** Between requests, or in the middle of a head. */
  Head: 0,
  /** A request is being answered. */
  Active: 1,
  /** Its answer is complete, its body is not: what comes is thrown away. */
  Discarding: 2,
  /** All is said; waits for the client to close. */
  Closing: 3,
  Tunnel: 4,
  Closed: 5,
} as const;

/** Bytes that may wait while a request is being answered, before reading stops. */
const HOLD_LIMIT = 64 * 1024;
/** Unread bytes of a request body that are read for the sake of the connection. */
const DISCARD_LIMIT = 64 * 1024;
/** Bytes read from a connection that is closing. */
const LINGER_LIMIT = 1024 * 1024;

/**
 * The server's side of an HTTP/1 connection: requests in, responses out, one after the other.
 *
 *     Head ──▶ Active ──▶ Head                 request and response complete
 *                │  └───▶ Discarding ──▶ Head  response complete before a short body
 *                │  └───▶ Closing ──▶ Closed   no keep-alive, an error, a long body nobody wants
 *                └──────▶ Tunnel               after 101 or CONNECT
 *
 * Bytes that come too early (a pipelined request, a body nobody takes yet) are held within a bound; past it reading
 * stops.
 */
export class ServerConnection implements TransportHandler, DownstreamStream, BodySink, DeadlineOwner {
  readonly transport: Transport;
  /** Requests begun on this connection. */
  requestCount = 0;
  /** Bytes of body sent in the current response. */
  bytesSent = 0;
  /** Bytes of body received in the current request. */
  bytesReceived = 0;
  /** True when the current request was made in HTTP/1.1. */
  isHttp11 = true;
  /** @internal what the application remembers of this connection */
  note: unknown = null;

  readonly #application: ServerApplication;
  readonly #options: ServerOptions;
  readonly #deadline: Deadline = new Deadline(this);
  #writeDeadline: Deadline | null = null;
  #remoteAddress: string | null = null;
  #state: number = State.Head;
  #sink: RequestSink | null = null;
  /** The beginning of a head, or bytes that came too early. */
  #held: Buffer | null = null;
  #processing = false;
  #requestPaused = false;
  #keepAlive = true;
  #headSent = false;
  /** True while the client may be waiting for a 100 with its body. */
  #awaitsContinue = false;
  /** What waited to be sent when the write timeout began. */
  #unsent = 0;
  #lingered = 0;
  #decoder: BodyDecoder | null = null;
  #writer: BodyWriter | null = null;
  #rate: RateGuard | null = null;
  #tunnel: TransportByteStream | null = null;

  constructor(socket: Socket, options: ServerOptions, application: ServerApplication) {
    this.#options = options;
    this.#application = application;
    this.transport = adoptAccepted(socket, this);
    options.headTimeout.set(this.#deadline);
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytes(bytes, start, end);
    else if (this.#state === State.Closing) this.#linger(end - start);
    else if (this.#held === null) this.#process(bytes, start, end);
    else if (this.#state === State.Head) this.#growHead(bytes, start, end);
    else this.#hold(bytes, start, end);
  }

  /** Handles bytes until they are used up or nobody can take them yet; those are held. */
  #process(bytes: Buffer, start: number, end: number): void {
    this.#processing = true;
    let at = start;
    while (at < end) {
      if (this.#state === State.Head) at = this.#readHead(bytes, at, end);
      else if (this.#takesBody) at = this.#readBody(bytes, at, end);
      else break;
    }
    this.#processing = false;
    if (at >= end) return;
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytes(bytes, at, end);
    else if (this.#state < State.Closing) this.#hold(bytes, at, end);
  }

  get #takesBody(): boolean {
    return this.#decoder !== null && !this.#decoder.complete && !this.#requestPaused && this.#state < State.Closing;
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    const piece = bytes.subarray(start, end);
    this.#held = this.#held === null ? Buffer.from(piece) : Buffer.concat([this.#held, piece]);
    if (this.#state !== State.Head && this.#held.length > HOLD_LIMIT) this.transport.pause();
  }

  /** Goes on with what was held, after something changed outside of a read. */
  #goOn(): void {
    if (this.#processing || this.#state >= State.Closing) return;
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#process(held, 0, held.length);
    else if (this.#takesBody && this.#decoder!.remaining === 0) this.#decoder!.finish(null);
    if (this.#held === null && !this.#requestPaused) this.transport.resume();
  }

  /** Returns where the head ends, or `end` when what is left was taken care of. */
  #readHead(bytes: Buffer, start: number, end: number): number {
    const { scan } = this.#options;
    const at = skipEmptyLines(bytes, start, end);
    const outcome = scan.scanRequest(bytes, at, end);
    if (outcome === ScanOutcome.Complete) {
      const headEnd = scan.end;
      this.#beginRequest(scan);
      return headEnd;
    }
    if (outcome === ScanOutcome.Refused) this.#refuse(scan.problem);
    else this.#waitForHead(bytes, at, end);
    return end;
  }

  #waitForHead(bytes: Buffer, start: number, end: number): void {
    if (!this.#deadline.isIn(this.#options.headTimeout)) this.#options.headTimeout.set(this.#deadline);
    this.#hold(bytes, start, end);
  }

  /**
   * A head that comes in pieces is read again only when a line ended or a limit was passed: whoever sends single bytes
   * doesn't make us read them over and over.
   */
  #growHead(bytes: Buffer, start: number, end: number): void {
    const { head } = this.#options.settings;
    const before = this.#held!.length;
    this.#hold(bytes, start, end);
    const held = this.#held!;
    const passesLimit = held.length > head.bytes || (before <= head.requestLine && held.length > head.requestLine);
    if (!passesLimit && held.indexOf(0x0a, before) === -1) return;
    this.#held = null;
    this.#process(held, 0, held.length);
  }

  #beginRequest(scan: HeadScan): void {
    const head = toRequestHead(scan);
    if (typeof head === "string") {
      this.#refuse(head);
      return;
    }
    this.requestCount++;
    this.#state = State.Active;
    this.#deadline.clear();
    this.isHttp11 = scan.minorVersion > 0;
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.#headSent = false;
    this.#keepAlive = isPersistent(scan);
    this.#awaitsContinue = head.expectsContinue;
    const sink = this.#application.onRequest(this, head);
    this.#sink = sink;
    const hasBody = head.body !== "none" && head.body !== 0;
    if (hasBody && !this.#beginBody(head.body)) return;
    sink.start();
    head.source.settle();
    if (!hasBody) this.#sink?.onRequestEnd(null);
  }

  /** False when the body is refused before a byte of it came. */
  #beginBody(body: BodyLength): boolean {
    const { settings, bodyTimeout } = this.#options;
    this.#decoder ??= new BodyDecoder(this, settings.chunked);
    if (typeof body === "number") this.#decoder.startLength(body);
    else this.#decoder.startChunked();
    if (settings.bodyBytes > 0 && typeof body === "number" && body > settings.bodyBytes) {
      this.#failRequest(new ProxyError("DOWNSTREAM_BODY_TOO_LARGE"));
      return false;
    }
    bodyTimeout.set(this.#deadline);
    this.#rate ??= new RateGuard(settings.minimumRate);
    this.#rate.start();
    return true;
  }

  #readBody(bytes: Buffer, start: number, end: number): number {
    if (this.#state === State.Active) {
      this.#options.bodyTimeout.set(this.#deadline);
      if (!this.#rate!.accepts(end - start)) {
        this.#failRequest(new ProxyError("DOWNSTREAM_BODY_TIMEOUT"));
        return end;
      }
    }
    const at = this.#decoder!.decode(bytes, start, end);
    if (at !== BODY_REFUSED) return at;
    this.#failRequest(new ProxyError("DOWNSTREAM_BAD_BODY"));
    return end;
  }

  get bodyPaused(): boolean {
    return this.#requestPaused;
  }

  onBodyChunk(bytes: Buffer, start: number, end: number): void {
    this.bytesReceived += end - start;
    this.#awaitsContinue = false;
    if (this.#state === State.Discarding) {
      if (this.#decoder!.received > DISCARD_LIMIT) this.#close();
      return;
    }
    const { bodyBytes } = this.#options.settings;
    if (bodyBytes > 0 && this.bytesReceived > bodyBytes) {
      this.#failRequest(new ProxyError("DOWNSTREAM_BODY_TOO_LARGE"));
      return;
    }
    this.#sink?.onRequestBody(bytes, start, end);
  }

  onBodyEnd(trailers: HeadScan | null): void {
    this.#deadline.clear();
    if (this.#state === State.Discarding) this.#becomeIdle();
    else this.#sink?.onRequestEnd(trailers === null ? null : HttpHeaders.copyOf(trailers));
  }

  /** The client's address, remembered: it can't be asked for once the socket is closed. "" on a Unix socket. */
  get remoteAddress(): string {
    this.#remoteAddress ??= this.transport.remoteAddress;
    return this.#remoteAddress;
  }

  get requestComplete(): boolean {
    return this.#decoder === null || this.#decoder.complete;
  }

  pauseRequest(): void {
    if (this.#requestPaused) return;
    this.#requestPaused = true;
    this.#rate?.excuse();
    if (this.#deadline.isIn(this.#options.bodyTimeout)) this.#deadline.clear();
    if (!this.requestComplete) this.transport.pause();
  }

  resumeRequest(): void {
    if (!this.#requestPaused) return;
    this.#requestPaused = false;
    if (!this.requestComplete) this.#options.bodyTimeout.set(this.#deadline);
    this.#goOn();
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  get blocked(): boolean {
    return this.transport.blocked;
  }

  /** Only HTTP/1.1 clients understand 1xx (RFC 9110 §15.2). */
  sendInformational(head: ResponseHead): void {
    this.#awaitsContinue &&= head.status !== 100;
    if (this.isHttp11 && !this.transport.closed) writeResponseHead(output, this.transport, head, "none", "");
  }

  sendHead(head: ResponseHead, body: BodyLength, keepAlive: boolean): void {
    // HTTP/1.0 knows no chunks: the end of such a body is the end of the connection.
    const isEndedByClose = body === "unknown" && !this.isHttp11;
    // Without a 100 nobody knows whether the body will come: what follows can't be told from it (RFC 9110 §10.1.1).
    this.#keepAlive &&= keepAlive && !isEndedByClose && !this.#awaitsContinue && this.#mayCarryMore;
    this.#headSent = true;
    if (this.transport.closed) return;
    const lines = responseLines(head, this.#keepAlive, this.isHttp11);
    writeResponseHead(output, this.transport, head, isEndedByClose ? "none" : body, lines);
    if (body === "none") return;
    this.#writer ??= new BodyWriter(this.transport);
    this.#writer.start(body, this.isHttp11);
  }

  get #mayCarryMore(): boolean {
    const { requestsPerConnection } = this.#options.settings;
    if (this.#application.draining || this.transport.ended) return false;
    return requestsPerConnection === 0 || this.requestCount < requestsPerConnection;
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    this.bytesSent += end - start;
    this.#writer?.write(bytes, start, end);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (this.#state !== State.Active) return;
    this.#writer?.end(trailers);
    this.#sink = null;
    this.#requestPaused = false;
    if (!this.#keepAlive || this.transport.closed) this.#close();
    else if (this.requestComplete) this.#becomeIdle();
    else this.#discardRest();
  }

  /** A short rest of a body is cheaper to read than a new connection is to make. */
  #discardRest(): void {
    const { remaining } = this.#decoder!;
    if (remaining > DISCARD_LIMIT && Number.isFinite(remaining)) {
      this.#close();
      return;
    }
    this.#state = State.Discarding;
    this.#decoder!.received = 0;
    this.#options.bodyTimeout.set(this.#deadline);
    this.#goOn();
  }

  #becomeIdle(): void {
    this.#state = State.Head;
    this.#decoder?.startNone();
    this.#options.keepAliveTimeout.set(this.#deadline);
    if (this.#application.draining && this.#held === null) this.#close();
    else this.#goOn();
  }

  /** Ends our direction and listens on for a while: closing at once would reset the connection under the response. */
  #close(): void {
    if (this.#state >= State.Closing) return;
    this.#state = State.Closing;
    this.#sink = null;
    this.#held = null;
    this.#deadline.clear();
    if (this.transport.unsentBytes > 0) this.#watchProgress();
    this.transport.end();
    this.transport.resume();
  }

  #linger(bytes: number): void {
    this.#lingered += bytes;
    if (this.#lingered > LINGER_LIMIT) this.transport.destroy();
  }

  abort(): void {
    this.#sink = null;
    // Nothing sent yet, or a body whose length tells that it is cut: closing is enough. Else only a reset tells.
    if (this.#headSent) this.transport.reset();
    else this.transport.destroy();
  }

  toByteStream(sink: ByteSink): ByteStream {
    this.#tunnel = new TransportByteStream(this.transport, sink);
    this.#state = State.Tunnel;
    this.#deadline.clear();
    this.#sink = null;
    this.#requestPaused = false;
    const held = this.#held;
    this.#held = null;
    if (held !== null) sink.onBytes(held, 0, held.length);
    this.transport.resume();
    return this.#tunnel;
  }

  /** True between requests: nothing would be lost by closing. */
  get idle(): boolean {
    return this.#state === State.Head && this.#held === null;
  }

  /** Closes as soon as no request is under way. */
  drain(): void {
    if (this.idle) this.#close();
  }

  destroy(): void {
    this.transport.destroy();
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers bytes that are no request, and closes: nobody knows where the next one would begin. */
  #refuse(problem: HeadProblem): void {
    const status = HEAD_PROBLEMS[problem];
    this.#application.onRefused(this, problem, status);
    this.answerAndClose(status);
  }

  /** @internal a plain answer of the connection's own, then the end. */
  answerAndClose(status: number): void {
    const text = Buffer.from(`HTTP ${status} ${ResponseHead.from({ status }).reason}\n`);
    const head = ResponseHead.from({ status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
    writeResponseHead(output, this.transport, head, text.length, responseLines(head, false, true));
    this.transport.send(text, 0, text.length);
    this.#close();
  }

  /** The request went wrong on the client's side: the relay decides what the answer is. */
  #failRequest(error: ProxyError): void {
    this.#keepAlive = false;
    this.#deadline.clear();
    const sink = this.#sink;
    if (sink === null) this.#close();
    else sink.onDownstreamError(error);
  }

  onDeadline(queue: TimeoutQueue): void {
    const options = this.#options;
    if (queue === options.writeTimeout) this.#checkProgress();
    else if (this.#state === State.Active) this.#failRequest(new ProxyError("DOWNSTREAM_BODY_TIMEOUT"));
    else if (queue === options.headTimeout && this.#held !== null) this.#timeOutHead();
    else if (queue === options.linger) this.transport.destroy();
    else this.#close();
  }

  #timeOutHead(): void {
    this.#application.onHeadTimeout(this);
    this.answerAndClose(408);
  }

  onBlocked(): void {
    this.#watchProgress();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesBlocked();
    else this.#sink?.onDownstreamBlocked();
  }

  #watchProgress(): void {
    this.#unsent = this.transport.unsentBytes;
    this.#writeDeadline ??= new Deadline(this);
    this.#options.writeTimeout.set(this.#writeDeadline);
  }

  onDrain(): void {
    this.#writeDeadline?.clear();
    if (this.#state === State.Closing) this.#options.linger.set(this.#deadline);
    else if (this.#tunnel !== null) this.#tunnel.sink.onBytesDrained();
    else this.#sink?.onDownstreamDrained();
  }

  /** One large write may take longer than the timeout; what counts is that some of it goes. */
  #checkProgress(): void {
    const unsent = this.transport.unsentBytes;
    if (unsent < this.#unsent) {
      this.#watchProgress();
      return;
    }
    this.#sink?.onDownstreamError(new ProxyError("DOWNSTREAM_WRITE_TIMEOUT"));
    this.transport.reset();
  }

  onEnd(): void {
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytesEnd();
    else if (this.#state === State.Active) this.#endWhileActive();
    // When closing, the socket goes by itself once what waits is sent.
    else if (this.#state !== State.Closing) this.#close();
  }

  /** A client may end its direction once the request is out and still wait for the answer (RFC 9112 §9.6). */
  #endWhileActive(): void {
    this.#keepAlive = false;
    if (this.requestComplete) return;
    this.#sink?.onDownstreamError(new ProxyError("DOWNSTREAM_CLOSED"));
  }

  onClose(error: Error | null): void {
    const wasTunnel = this.#state === State.Tunnel;
    const sink = this.#sink;
    this.#state = State.Closed;
    this.#sink = null;
    this.#held = null;
    this.#deadline.clear();
    this.#writeDeadline?.clear();
    this.#application.onClosed(this);
    if (wasTunnel) this.#tunnel!.sink.onBytesClosed(error);
    const options = error === null ? undefined : { cause: error };
    sink?.onDownstreamError(new ProxyError("DOWNSTREAM_CLOSED", undefined, options));
  }
}
