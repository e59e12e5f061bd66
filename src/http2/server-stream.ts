import { ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import { FieldId, toFieldName } from "../http/field-names.ts";
import { FIELD_STRIDE, indexOfField, VALUE_END, VALUE_START } from "../http/field-table.ts";
import { type BodyLength, type RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import { RateGuard } from "../http/rate-guard.ts";
import type { RequestSink } from "../http/server-application.ts";
import { isBodiless } from "../http/status.ts";
import type { ByteSink, ByteStream, DownstreamStream, Malformation } from "../http/streams.ts";
import { Http2Error, nameOfHttp2Error } from "./error-codes.ts";
import type { ReceiveWindow } from "./flow-window.ts";
import { type Priority, parsePriority } from "./priority.ts";
import type { Http2ServerOptions } from "./server-options.ts";
import { StreamCore, type StreamOwner } from "./stream-core.ts";
import { StreamState } from "./stream-states.ts";
import { StreamTunnel } from "./stream-tunnel.ts";

/** What a client's stream asks of its connection. */
export interface ServerStreamOwner extends StreamOwner {
  readonly options: Http2ServerOptions;
  /** Writes a response's head; the stream may be closed by that. */
  writeHead(stream: ServerStream, head: ResponseHead, framing: BodyLength, isEnd: boolean): void;
  writeInformational(stream: ServerStream, head: ResponseHead): void;
  /** The connection takes no more requests, and closes when those that there are have been answered. */
  retire(): void;
  onRequest(stream: ServerStream, head: RequestHead): RequestSink;
}

const TRAILER_BIT = 1 << FieldId.Trailer;
const PRIORITY = toFieldName("priority");
/** Of a body that nobody wants: what is still taken for the client's sake, which may not look at the answer before. */
const DISCARD_LIMIT = 64 * 1024;

/** How the body of the request is used. */
const Use = {
  /** It goes to the sink. */
  Body: 0,
  /** It waits until the stream is a tunnel. */
  TunnelToBe: 1,
  Tunnel: 2,
  /** It is thrown away. */
  Discard: 3,
} as const;

/** A client's stream: one request with its response. */
export class ServerStream extends StreamCore implements DownstreamStream, DeadlineOwner {
  bytesReceived = 0;
  bytesSent = 0;
  /** The priority that the client told by a frame; null: what its request says */
  toldPriority: Priority | null = null;
  /** When its request came, on the thread's clock. */
  begunAt = 0;
  readonly #connection: ServerStreamOwner;
  #sink: RequestSink | null = null;
  #head: RequestHead | null = null;
  #use: number = Use.Body;
  #isToHead = false;
  #isConnect = false;
  /** Bytes of the request's body by its own word, -1 for none; and those that came, whether anybody took them or not. */
  #declared = -1;
  #arrived = 0;
  #discarded = 0;
  /** Bytes that the response still has to send, by its own word. */
  #left: number = Number.POSITIVE_INFINITY;
  #headSent = false;
  /** Somebody was told to wait until the client has taken what there is. */
  #isHeldUp = false;
  #malformation: Malformation | null = null;
  #rate: RateGuard | null = null;
  #tunnel: StreamTunnel | null = null;
  /** Waits for the request's body. */
  #bodyDeadline: Deadline | null = null;
  /** Waits for the client to take something. */
  #writeDeadline: Deadline | null = null;

  constructor(connection: ServerStreamOwner, initialSendWindow: number, receives: ReceiveWindow) {
    super(connection, initialSendWindow, receives);
    this.#connection = connection;
  }

  // ── the request ────────────────────────────────────────────────────────────────────────────────────────────────

  /** Has the request answered, whose head is borrowed until this returns. */
  begin(head: RequestHead): void {
    const isWhole = this.requestComplete;
    this.#head = head;
    this.#isToHead = head.method === "HEAD";
    this.#isConnect = head.method === "CONNECT";
    if (this.#isConnect || head.upgrade !== null) {
      this.#use = Use.TunnelToBe;
      this.pauseReading();
      if (isWhole) this.receiveEnd(null);
    } else if (!isWhole) this.#expectBody(head.body);
    const sink = this.#connection.onRequest(this, head);
    this.#sink = sink;
    sink.start();
    head.source.settle();
    if (isWhole || this.#use === Use.TunnelToBe) this.#sink?.onRequestEnd(null);
  }

  #expectBody(length: BodyLength): void {
    const { options } = this.#connection;
    if (typeof length === "number") this.#declared = length;
    this.#rate = new RateGuard(options.settings.minimumRate);
    this.#rate.start();
    this.#bodyDeadline = new Deadline(this);
    options.bodyTimeout.set(this.#bodyDeadline);
  }

  /** True once the client was told at least how its answer begins. */
  get isAnswered(): boolean {
    return this.#headSent;
  }

  get requestComplete(): boolean {
    return this.state === StreamState.RemoteEnded || this.isClosed;
  }

  /** What is wrong with so much DATA more (RFC 9113 §8.1.1), null for nothing. */
  findDataProblem(length: number): string | null {
    this.#arrived += length;
    const isOver = this.#declared >= 0 && this.#arrived > this.#declared;
    return isOver ? "More DATA than the content-length" : null;
  }

  /** What is wrong with the request's end here. */
  findEndProblem(): string | null {
    const isShort = this.#declared >= 0 && this.#arrived < this.#declared;
    return isShort ? "Less DATA than the content-length" : null;
  }

  protected onBody(bytes: Buffer, start: number, end: number): void {
    if (this.#tunnel !== null) this.#tunnel.sink.onBytes(bytes, start, end);
    else if (this.#use === Use.Discard) this.#discard(end - start);
    else this.#takeBody(bytes, start, end);
  }

  #takeBody(bytes: Buffer, start: number, end: number): void {
    const { options } = this.#connection;
    this.bytesReceived += end - start;
    if (this.#bodyDeadline !== null && !this.requestComplete) options.bodyTimeout.set(this.#bodyDeadline);
    const { bodyBytes } = options.settings;
    if (bodyBytes > 0 && this.bytesReceived > bodyBytes) this.#failBody("DOWNSTREAM_BODY_TOO_LARGE");
    else if (this.#rate?.accepts(end - start) === false) this.#failBody("DOWNSTREAM_BODY_TIMEOUT");
    else this.#sink?.onRequestBody(bytes, start, end);
  }

  #failBody(code: "DOWNSTREAM_BODY_TOO_LARGE" | "DOWNSTREAM_BODY_TIMEOUT"): void {
    if (this.#use !== Use.Body) return;
    this.#startDiscarding();
    this.#sink?.onDownstreamError(new ProxyError(code));
  }

  protected onBodyEnd(trailers: HttpHeaders | null): void {
    this.#bodyDeadline?.clear();
    if (this.#tunnel !== null) this.#tunnel.onEnd();
    else if (this.#use === Use.Body) this.#sink?.onRequestEnd(trailers);
  }

  allowPauses(): void {
    this.#rate = null;
    this.#bodyDeadline?.clear();
    this.#bodyDeadline = null;
  }

  pauseRequest(): void {
    if (this.#use !== Use.Body) return;
    this.pauseReading();
    this.#rate?.pause();
    this.#bodyDeadline?.clear();
  }

  resumeRequest(): void {
    if (this.#use !== Use.Body) return;
    this.#rate?.resume();
    if (this.#bodyDeadline !== null && !this.requestComplete)
      this.#connection.options.bodyTimeout.set(this.#bodyDeadline);
    this.resumeReading();
  }

  /** Nobody wants the rest of the request: it may come all the same, for a while. */
  #startDiscarding(): void {
    this.#use = Use.Discard;
    this.#bodyDeadline?.clear();
    this.resumeReading();
  }

  #discard(bytes: number): void {
    this.#discarded += bytes;
    if (this.hasSentEnd && this.#discarded > DISCARD_LIMIT) this.owner.resetStream(this, Http2Error.NoError);
  }

  // ── the response ───────────────────────────────────────────────────────────────────────────────────────────────

  sendInformational(head: ResponseHead): void {
    if (this.isClosed || this.#headSent) return;
    // Until now the client had reason to wait with the body.
    if (head.status === 100) this.#rate?.start();
    this.#connection.writeInformational(this, head);
  }

  sendHead(head: ResponseHead, body: BodyLength, keepAlive: boolean): void {
    this.#headSent = true;
    if (!this.isClosed) this.#writeHead(head, body);
    if (!keepAlive || this.#malformation !== null) this.#connection.retire();
  }

  #writeHead(head: ResponseHead, body: BodyLength): void {
    const opensTunnel = this.#isConnect ? head.status < 300 : head.status === 101;
    // The key that it answers is ours.
    if (head.status === 101) head.headers.delete("sec-websocket-accept");
    const framing = opensTunnel || isBodiless(head.status) ? "none" : body === "none" ? this.#noBody : body;
    const isEnd = !opensTunnel && (this.#isToHead || framing === "none" || framing === 0);
    // Trailers that are announced come behind the last byte.
    if (typeof framing === "number" && (head.present & TRAILER_BIT) === 0) this.#left = framing;
    this.#connection.writeHead(this, head, framing, isEnd);
  }

  get #noBody(): BodyLength {
    return this.#isToHead ? "none" : 0;
  }

  /** How the next head is to break the rules, null for not at all */
  get malformation(): Malformation | null {
    return this.#malformation;
  }

  malform(how: Malformation): void {
    this.#malformation = how;
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    this.bytesSent += end - start;
    if (this.hasSentEnd) return;
    this.#left -= end - start;
    this.write(bytes, start, end);
    if (this.#left === 0) this.endWriting(null);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    this.#sink = null;
    if (this.isClosed) return;
    if (this.#use !== Use.Discard) this.#startDiscarding();
    if (this.hasSentEnd) this.onLocalEnd();
    else if (this.#left !== 0) this.endWriting(trailers);
  }

  /** All of the response is sent. What is left of the request may not be worth waiting for. */
  onLocalEnd(): void {
    // The last byte was there before the end was told, and whoever waits to tell it has to hear that it may.
    if (this.#isHeldUp) this.onSendDrained();
    if (this.isClosed || this.#sink !== null || this.#use !== Use.Discard) return;
    const rest = this.#declared < 0 ? 0 : this.#declared - this.#arrived;
    if (rest > DISCARD_LIMIT || this.#discarded > DISCARD_LIMIT)
      this.owner.resetStream(this, Http2Error.NoError);
    else {
      this.#bodyDeadline ??= new Deadline(this);
      this.#connection.options.linger.set(this.#bodyDeadline);
    }
  }

  /** Answers with a status and its text, for a request that nobody else sees. */
  answer(status: number): void {
    const head = ResponseHead.from({ status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
    const text = Buffer.from(`HTTP ${status} ${head.reason}\n`);
    this.sendHead(head, text.length, true);
    if (!this.hasSentEnd) this.sendBody(text, 0, text.length);
    this.sendEnd(null);
  }

  /** A response that is cut has a reset for its end, so that nobody takes it for a whole one. One that isn't stays whole. */
  abort(): void {
    this.#sink = null;
    let code: Http2Error = this.#headSent ? Http2Error.InternalError : Http2Error.Cancel;
    if (this.hasSentEnd && this.#tunnel === null) code = Http2Error.NoError;
    this.owner.resetStream(this, code);
  }

  reset(): void {
    this.#sink = null;
    this.owner.resetStream(this, Http2Error.Cancel);
  }

  // ── a tunnel ───────────────────────────────────────────────────────────────────────────────────────────────────

  toByteStream(sink: ByteSink): ByteStream {
    const tunnel = new StreamTunnel(this, sink);
    this.#tunnel = tunnel;
    this.#use = Use.Tunnel;
    this.#sink = null;
    if (this.isClosed) process.nextTick(() => tunnel.close(new ProxyError("DOWNSTREAM_CLOSED")));
    else this.resumeReading();
    return tunnel;
  }

  // ── what happens ───────────────────────────────────────────────────────────────────────────────────────────────

  /** What the client said of its priority, if anything. */
  findPriority(): Priority | null {
    if (this.toldPriority !== null || this.#head === null) return this.toldPriority;
    const table = this.#head.source.table();
    const index = indexOfField(table, PRIORITY, 0);
    if (index === -1) return null;
    const at = index * FIELD_STRIDE;
    return parsePriority(table.bytes, table.offsets[at + VALUE_START]!, table.offsets[at + VALUE_END]!);
  }

  protected onSendBlocked(): void {
    this.#isHeldUp = true;
    this.#watchWrite();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesBlocked();
    else this.#sink?.onDownstreamBlocked();
  }

  #watchWrite(): void {
    this.#writeDeadline ??= new Deadline(this);
    this.#connection.options.writeTimeout.set(this.#writeDeadline);
  }

  protected override onSendProgress(): void {
    this.#watchWrite();
  }

  protected onSendDrained(): void {
    this.#isHeldUp = false;
    this.#writeDeadline?.clear();
    if (this.#tunnel !== null) this.#tunnel.sink.onBytesDrained();
    else this.#sink?.onDownstreamDrained();
  }

  onDeadline(queue: TimeoutQueue): void {
    const { options } = this.#connection;
    if (queue === options.writeTimeout) this.#end(Http2Error.Cancel, "DOWNSTREAM_WRITE_TIMEOUT");
    else if (queue === options.linger) this.owner.resetStream(this, Http2Error.NoError);
    else this.#failBody("DOWNSTREAM_BODY_TIMEOUT");
  }

  #end(code: Http2Error, reason: "DOWNSTREAM_WRITE_TIMEOUT"): void {
    this.owner.resetStream(this, code);
    this.#lose(new ProxyError(reason));
  }

  onReset(code: number): void {
    // Who has said its last word in a tunnel, and was heard, may not want to hear the other's.
    if (this.#tunnel?.ended === true && code === Http2Error.NoError) {
      this.dropOutput();
      this.#tunnel.onComplete();
      return;
    }
    this.#lose(new ProxyError("DOWNSTREAM_CLOSED", `RST_STREAM with ${nameOfHttp2Error(code)}`));
  }

  onBroken(_code: Http2Error, message: string): void {
    this.#lose(new ProxyError("DOWNSTREAM_BAD_BODY", message));
  }

  onConnectionLost(error: ProxyError): void {
    this.#lose(error);
  }

  #lose(error: ProxyError): void {
    // Whatever it is, nobody is left to answer: an answer that had begun would wait forever for somebody to take it.
    error.status = 0;
    const sink = this.#sink;
    this.#sink = null;
    if (this.#tunnel !== null) this.#tunnel.close(error);
    sink?.onDownstreamError(error);
  }

  /** The stream is closed. */
  onGone(isComplete: boolean): void {
    this.#writeDeadline?.clear();
    this.#bodyDeadline?.clear();
    if (!isComplete) this.drop();
    else if (this.#tunnel !== null) this.#tunnel.onComplete();
  }
}
