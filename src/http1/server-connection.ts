import type { Socket } from "node:net";
import { ProxyError } from "../base/errors.ts";
import { holdMore } from "../base/held-bytes.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue, threadClock } from "../base/timeouts.ts";
import type { BodyLength, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { Http1Application, RequestSink } from "../http/server-application.ts";
import type { ByteSink, ByteStream, DownstreamStream, Malformation } from "../http/streams.ts";
import { adoptAccepted } from "../net/onread-socket.ts";
import { output } from "../net/output.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { WriteWatch, type WriteWatchOwner } from "../net/write-watch.ts";
import { TransportByteStream } from "./byte-stream.ts";
import { writeResponseHead } from "./head-encoder.ts";
import { HEAD_PROBLEMS, type HeadProblem, ScanOutcome } from "./head-limits.ts";
import type { HeadScan } from "./head-scan.ts";
import { MalformedWriter } from "./malformed-writer.ts";
import { sendPlainAnswer } from "./plain-answer.ts";
import { type IntakeOwner, RequestIntake } from "./request-intake.ts";
import { isEmptyLineBegun, isPersistent, skipEmptyLines, toRequestHead } from "./request-rules.ts";
import { frameResponse } from "./response-framing.ts";
import { responseLines } from "./response-lines.ts";
import { ResponseWriter } from "./response-writer.ts";
import { LINGER_IN_ALL, type ServerOptions } from "./server-options.ts";

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

/** Bytes that may wait for their turn before reading stops. */
const HOLD_LIMIT = 64 * 1024;

/**
 * The server's side of an HTTP/1 connection: requests in, responses out, one after the other.
 *
 *     Head ──▶ Active ──▶ Head                 request and response complete
 *                │  └───▶ Discarding ──▶ Head  response complete before a short body
 *                │  └───▶ Closing ──▶ Closed   no keep-alive, an error, a long body nobody wants
 *                └──────▶ Tunnel               after 101 or CONNECT
 *
 * Bytes that come too early (a pipelined request, a body nobody takes yet) are held within a bound; past it reading
 * stops. A client that doesn't take its responses gets no further request answered.
 */
export class ServerConnection
  implements TransportHandler, DownstreamStream, IntakeOwner, DeadlineOwner, WriteWatchOwner
{
  readonly transport: Transport;
  /** Requests begun on this connection. */
  requestCount = 0;
  /** Bytes of body sent in the current response. */
  bytesSent = 0;
  /** Bytes of body received in the current request. */
  bytesReceived = 0;
  /** @internal what the application remembers of this connection */
  note: unknown = null;

  readonly #application: Http1Application<ServerConnection>;
  /** True when the current request was made in HTTP/1.1. */
  #isHttp11 = true;
  readonly #options: ServerOptions;
  readonly #deadline: Deadline = new Deadline(this);
  #watch: WriteWatch | null = null;
  #state: number = State.Head;
  #sink: RequestSink | null = null;
  /** The beginning of a head, or bytes that came too early. */
  #held: Buffer | null = null;
  /** What was held and is being handled: its rest can be held again without a copy. */
  #own: Buffer | null = null;
  #processing = false;
  #readsAhead = false;
  #keepAlive = true;
  /** Of the current request: an answer to HEAD has no body, nor has a good answer to CONNECT. */
  #method = "";
  #headSent = false;
  /** True when only the end of the connection ends the current response. */
  #endedByClose = false;
  /** True while the client may be waiting for a 100 with its body. */
  #awaitsContinue = false;
  #lingersUntil = 0;
  #intake: RequestIntake | null = null;
  #writer: ResponseWriter | null = null;
  #tunnel: TransportByteStream | null = null;

  constructor(socket: Socket, options: ServerOptions, application: Http1Application<ServerConnection>) {
    this.#options = options;
    this.#application = application;
    this.transport = adoptAccepted(socket, this);
    options.headTimeout.set(this.#deadline);
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  onData(bytes: Buffer, start: number, end: number): void {
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytes(bytes, start, end);
    else if (this.#state === State.Closing) this.#linger();
    else if (this.#held === null) this.#process(bytes, start, end);
    else if (this.#takesHead()) this.#growHead(bytes, start, end);
    else {
      this.#hold(bytes, start, end);
      this.#regulate();
    }
  }

  /** Handles bytes until they are used up or nobody can take them yet; those are held. */
  #process(bytes: Buffer, start: number, end: number): void {
    this.#processing = true;
    let at = start;
    while (at < end) {
      if (this.#takesHead()) at = this.#readHead(bytes, at, end);
      else if (this.#takesBody()) at = this.#intake!.read(bytes, at, end);
      else break;
    }
    this.#processing = false;
    if (at < end) {
      if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytes(bytes, at, end);
      else if (this.#state < State.Closing && this.#intake?.broken !== true) this.#hold(bytes, at, end);
    }
    this.#regulate();
  }

  /** Responses that the client doesn't take would pile up if its next request were answered too. */
  #takesHead(): boolean {
    return this.#state === State.Head && !this.transport.blocked;
  }

  #takesBody(): boolean {
    return this.#intake?.takes === true && this.#state < State.Closing;
  }

  #hold(bytes: Buffer, start: number, end: number): void {
    if (this.#held === null && bytes === this.#own) this.#held = bytes.subarray(start, end);
    else this.#held = holdMore(this.#held, bytes, start, end);
  }

  /** Reads on or stops reading: the one place that decides it, but for tunnels. */
  #regulate(): void {
    if (this.#state >= State.Tunnel) return;
    if (this.#wantsBytes()) this.transport.resume();
    else this.transport.pause();
  }

  #wantsBytes(): boolean {
    if (this.#takesHead() || this.#state >= State.Closing) return true;
    if (this.#held !== null && this.#held.length > HOLD_LIMIT) return false;
    return this.requestComplete || this.#takesBody() || this.#readsAhead;
  }

  /** Goes on with what was held, after something changed outside of a read. */
  #goOn(): void {
    if (this.#processing || this.#state >= State.Closing) return;
    if (this.#held !== null) this.#processHeld();
    else this.#intake?.proceed();
    this.#regulate();
    if (this.transport.ended) this.#meetEnd();
  }

  #processHeld(): void {
    const held = this.#held!;
    this.#held = null;
    this.#own = held;
    this.#process(held, 0, held.length);
    this.#own = null;
  }

  /** Returns where the head ends, or `end` when what is left was taken care of. */
  #readHead(bytes: Buffer, start: number, end: number): number {
    const { scans } = this.#options;
    const at = skipEmptyLines(bytes, start, end);
    if (at === end) return end;
    const scan = scans.take();
    const outcome = isEmptyLineBegun(bytes, at, end)
      ? ScanOutcome.Incomplete
      : scan.scanRequest(bytes, at, end);
    const { end: headEnd, problem } = scan;
    if (outcome === ScanOutcome.Complete) this.#beginRequest(scan);
    scans.giveBack(scan);
    if (outcome === ScanOutcome.Complete) return headEnd;
    if (outcome === ScanOutcome.Incomplete) this.#waitForHead(bytes, at, end);
    else if (problem !== "UNSUPPORTED_VERSION" || !this.#handOver(bytes, at, end)) this.#refuse(problem);
    return end;
  }

  /** Another version may be spoken from the beginning on only. */
  #handOver(bytes: Buffer, start: number, end: number): boolean {
    if (this.requestCount > 0) return false;
    this.#deadline.clear();
    if (this.#application.onOtherVersion?.(this, bytes, start, end) === true) this.#state = State.Closed;
    return this.#state === State.Closed;
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
    const passesLimit =
      held.length > head.bytes || (before <= head.requestLine && held.length > head.requestLine);
    if (passesLimit || held.indexOf(0x0a, before) !== -1) this.#processHeld();
  }

  #beginRequest(scan: HeadScan): void {
    const head = toRequestHead(scan);
    if (typeof head === "string" || this.#options.isTooLarge(head.body)) {
      this.#refuse(typeof head === "string" ? head : "BODY_TOO_LARGE");
      return;
    }
    this.requestCount++;
    this.#state = State.Active;
    this.#deadline.clear();
    this.#isHttp11 = scan.minorVersion > 0;
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.#headSent = false;
    this.#method = head.method;
    this.#keepAlive = isPersistent(scan);
    this.#awaitsContinue = head.expectsContinue;
    const sink = this.#application.onRequest(this, head, this);
    this.#sink = sink;
    const hasBody = head.body !== "none" && head.body !== 0;
    if (hasBody) {
      this.#intake ??= new RequestIntake(this, this.#options, this.#deadline);
      this.#intake.begin(head.body);
    }
    sink.start();
    head.source.settle();
    if (!hasBody) this.#sink?.onRequestEnd(null);
  }

  onIntake(bytes: Buffer, start: number, end: number): void {
    this.bytesReceived += end - start;
    this.#awaitsContinue = false;
    this.#sink?.onRequestBody(bytes, start, end);
  }

  onIntakeEnd(trailers: HttpHeaders | null): void {
    this.transport.expectLittle();
    if (this.#state === State.Discarding) this.#becomeIdle();
    else this.#sink?.onRequestEnd(trailers);
  }

  /** The request went wrong on the client's side: the relay decides what the answer is. */
  onIntakeFailed(error: ProxyError): void {
    this.#keepAlive = false;
    if (this.#sink === null) this.#close();
    else this.#sink.onDownstreamError(error);
    if (!this.#processing) this.#regulate();
  }

  get requestComplete(): boolean {
    return this.#intake === null || this.#intake.complete;
  }

  pauseRequest(readsAhead: boolean = false): void {
    if (this.#state !== State.Active) return;
    this.#readsAhead = readsAhead;
    this.#intake?.pause();
    if (!this.#processing) this.#regulate();
  }

  resumeRequest(): void {
    if (this.#state !== State.Active) return;
    this.#intake?.resume();
    this.#goOn();
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  get blocked(): boolean {
    return this.transport.blocked;
  }
  /** Only HTTP/1.1 clients understand 1xx (RFC 9110 §15.2). */
  sendInformational(head: ResponseHead): void {
    if (head.status === 100 && this.#awaitsContinue) {
      this.#awaitsContinue = false;
      this.#intake?.excuseDelay();
    }
    if (this.#isHttp11 && !this.transport.closed) writeResponseHead(output, this.transport, head, "none", "");
  }

  sendHead(head: ResponseHead, body: BodyLength, keepAlive: boolean): void {
    const isToHead = this.#method === "HEAD";
    const framing = frameResponse(head.status, body, this.#method, this.#isHttp11);
    this.#endedByClose = framing === "until-close" && !isToHead;
    // Without a 100 nobody knows whether the body will come: what follows can't be told from it (RFC 9110 §10.1.1).
    const isBodyInDoubt = this.#awaitsContinue && !this.requestComplete;
    this.#keepAlive &&= keepAlive && !this.#endedByClose && !isBodyInDoubt && this.#mayCarryMore();
    this.#headSent = true;
    if (this.transport.closed) return;
    this.#writer ??= new ResponseWriter(this.transport);
    this.#writer.writeHead(head, framing, responseLines(head, this.#keepAlive, this.#isHttp11), isToHead);
  }

  malform(how: Malformation): void {
    this.#keepAlive = false;
    this.#writer = new MalformedWriter(this.transport, how);
  }

  #mayCarryMore(): boolean {
    const { requestsPerConnection } = this.#options.settings;
    if (this.#application.draining) return false;
    if (this.transport.ended && this.#held === null && !this.#processing) return false;
    // What would not be thrown away has to be said now: the client could take the close for an accident.
    if (!this.requestComplete && !this.#intake!.isRestShort) return false;
    return requestsPerConnection === 0 || this.requestCount < requestsPerConnection;
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    this.bytesSent += end - start;
    if (this.#state === State.Active) this.#writer?.write(bytes, start, end);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (this.#state !== State.Active) return;
    this.#writer?.end(trailers);
    this.#sink = null;
    if (!this.#keepAlive || this.transport.closed) this.#close();
    else if (this.requestComplete) this.#becomeIdle();
    else this.#discardRest();
  }

  /** A short rest of a body is cheaper to read than a new connection is to make. */
  #discardRest(): void {
    if (this.#intake!.discardRest()) {
      this.#state = State.Discarding;
      this.#goOn();
    } else this.#close();
  }

  #becomeIdle(): void {
    this.#state = State.Head;
    this.#options.keepAliveTimeout.set(this.#deadline);
    this.transport.expectLittle();
    if (this.#application.draining && !this.#application.isPatient && this.#held === null) this.#close();
    else this.#goOn();
  }

  /** Ends our direction and listens on for a while: closing at once would reset the connection under the response. */
  #close(): void {
    if (this.#state >= State.Closing) return;
    this.#leave();
    this.transport.end();
    if (this.transport.hasUnsent) this.#watchWrite();
    // Also then: that all is out, or the end, may never be told.
    this.#options.linger.set(this.#deadline);
    this.transport.resume();
  }

  /** The client is still sending: it may not have read our last word yet. */
  #linger(): void {
    const { linger } = this.#options;
    if (this.#lingersUntil === 0) this.#lingersUntil = threadClock.now + LINGER_IN_ALL;
    if (this.#deadline.isIn(linger) && threadClock.now < this.#lingersUntil) linger.set(this.#deadline);
  }

  /**
   * A body whose framing tells that it is cut is ended in peace: a reset could take earlier responses along that the
   * client hasn't read yet. One that the close would complete can only be reset.
   */
  abort(): void {
    if (this.#headSent && !this.#endedByClose && this.#state !== State.Tunnel) {
      this.#close();
      return;
    }
    this.#leave();
    if (this.#headSent) this.transport.reset();
    else this.transport.destroy();
  }

  reset(): void {
    this.#leave();
    this.transport.reset();
  }

  /** Nothing is said or done for the request any more. */
  #leave(): void {
    this.#sink = null;
    this.#held = null;
    if (this.#state < State.Closing) this.#state = State.Closing;
    this.#deadline.clear();
  }

  toByteStream(sink: ByteSink): ByteStream {
    this.#tunnel = new TransportByteStream(this.transport, sink);
    this.#state = State.Tunnel;
    const held = this.#held;
    this.#leave();
    // Before the sink gets anything, for it may stop the reading at once. An end that came already isn't told again.
    this.transport.resume();
    if (held !== null) sink.onBytes(held, 0, held.length);
    if (this.transport.ended) sink.onBytesEnd();
    return this.#tunnel;
  }

  /** True between requests: nothing would be lost by closing. */
  get idle(): boolean {
    return this.#state === State.Head && this.#held === null;
  }

  /** Closes as soon as no request is under way, that of a new client included. */
  drain(): void {
    if (this.idle && this.requestCount > 0) this.#close();
    else if (this.idle) this.#options.linger.set(this.#deadline);
  }

  destroy(): void {
    this.transport.destroy();
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  /** Answers bytes that are no request, and closes: nobody knows where the next one would begin. */
  #refuse(problem: HeadProblem): void {
    const status = HEAD_PROBLEMS[problem];
    this.#application.onRefused(this, problem, status);
    sendPlainAnswer(this.transport, status);
    this.#close();
  }

  onDeadline(queue: TimeoutQueue): void {
    if (this.#state === State.Active) this.#intake!.fail(new ProxyError("DOWNSTREAM_BODY_TIMEOUT"));
    else if (queue === this.#options.headTimeout && this.#held !== null) {
      this.#application.onHeadTimeout(this);
      sendPlainAnswer(this.transport, 408);
      this.#close();
    } else if (queue !== this.#options.linger) this.#close();
    // How long that may take is the write timeout's concern.
    else if (this.transport.hasUnsent) queue.set(this.#deadline);
    else this.transport.destroy();
  }

  onBlocked(): void {
    this.#watchWrite();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesBlocked();
    else this.#sink?.onDownstreamBlocked();
  }

  #watchWrite(): void {
    this.#watch ??= new WriteWatch(this.transport, this.#options.writeTimeout, this);
    this.#watch.start();
  }

  onDrain(): void {
    this.#watch?.stop();
    if (this.#state === State.Closing) this.#options.linger.set(this.#deadline);
    else if (this.#tunnel !== null) this.#tunnel.sink.onBytesDrained();
    else if (this.#sink !== null) this.#sink.onDownstreamDrained();
    else this.#goOn();
  }

  onStuck(): void {
    const sink = this.#sink;
    this.#sink = null;
    sink?.onDownstreamError(new ProxyError("DOWNSTREAM_WRITE_TIMEOUT"));
    this.transport.reset();
  }

  onEnd(): void {
    if (this.#state === State.Tunnel) this.#tunnel!.sink.onBytesEnd();
    else if (this.#state === State.Active) this.#meetEnd();
    else if (this.#state === State.Head) this.#goOn();
    // When closing, the socket goes by itself once what waits is sent.
    else if (this.#state !== State.Closing) this.#close();
  }

  /** What the client sent before it ended its direction is answered (RFC 9112 §9.6); a body can't go on. */
  #meetEnd(): void {
    if (this.#takesHead()) this.#close();
    else if (this.#takesBody()) this.#intake!.fail(new ProxyError("DOWNSTREAM_CLOSED"));
  }

  onClose(error: Error | null): void {
    const wasTunnel = this.#state === State.Tunnel;
    const sink = this.#sink;
    this.#leave();
    this.#state = State.Closed;
    this.#watch?.stop();
    this.#application.onClosed(this);
    if (wasTunnel) this.#tunnel!.sink.onBytesClosed(error);
    const options = error === null ? undefined : { cause: error };
    sink?.onDownstreamError(new ProxyError("DOWNSTREAM_CLOSED", undefined, options));
  }
}
