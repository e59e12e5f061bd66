import type { Socket } from "node:net";
import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue, threadClock } from "../base/timeouts.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { RequestSink, ServerApplication } from "../http/server-application.ts";
import { adoptAccepted } from "../net/onread-socket.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { WriteWatch, type WriteWatchOwner } from "../net/write-watch.ts";
import { ConnectionCore } from "./connection-core.ts";
import { EarlyPriorities } from "./early-priorities.ts";
import { Http2Error, nameOfHttp2Error } from "./error-codes.ts";
import type { FloodKind } from "./flood-guard.ts";
import { Flood } from "./flood-limits.ts";
import { writeDataHead } from "./frame-writer.ts";
import { FRAME_HEAD, FrameType, MAX_31_BITS } from "./frames.ts";
import { BlockKind, type FieldBlock } from "./hpack/field-block.ts";
import { DecodeOutcome } from "./hpack/header-decoder.ts";
import { Liveness, type LivenessOwner } from "./liveness.ts";
import { type Priority, parsePriority } from "./priority.ts";
import { isOverLimit, REQUEST_PROBLEMS, type RequestProblem, toRequestHead } from "./request-rules.ts";
import { encodeResponse, responseRoom } from "./response-block.ts";
import type { Http2ServerOptions } from "./server-options.ts";
import { ServerStream, type ServerStreamOwner } from "./server-stream.ts";
import type { StreamCore } from "./stream-core.ts";
import { Ending, judgeOnStream, Verdict } from "./stream-states.ts";

/** What answers the requests of an HTTP/2 listener. */
export interface Http2Application extends ServerApplication<Http2ServerConnection> {
  /** The client did too much of something that is allowed; the connection is closing. */
  onFlood(connection: Http2ServerConnection, kind: FloodKind): void;
  /** The client hasn't answered what it has to; the connection is closing. */
  onSilence(connection: Http2ServerConnection): void;
}

const State = {
  Open: 0,
  /** The client was told that no more is to come, and may not have heard of it. */
  Retiring: 1,
  /** No new streams are taken; closes with the last one. */
  Finishing: 2,
  /** All is said; waits for the client to close. */
  Closing: 3,
  Closed: 4,
} as const;

/** Streams whose priority is kept before they open, however many there may be: all are looked at when one does. */
const EARLY_PRIORITIES = 128;
/** Of a transport that has no owner yet */
const DEAF: TransportHandler = { onData() {}, onEnd() {}, onBlocked() {}, onDrain() {}, onClose() {} };
/** Bytes that may wait for a client which doesn't read, before nothing more is heard from it. */
const UNSENT_LIMIT = 256 * 1024;
/** How often a client with requests under way is waited for that is to hear that it shall go, each time as long as one closes. */
const MOST_WAITS = 15;
/** Milliseconds after which a client that takes no answer any more isn't one that never wanted it. */
const PATIENCE = 1_000;

/**
 * The server's side of an HTTP/2 connection.
 *
 *     Open ──▶ Retiring ──▶ Finishing ──▶ Closing ──▶ Closed
 *              GOAWAY(max)  GOAWAY(last)  no stream is left
 *      └── a rule is broken, too much of something, idle for too long ──▶ Closing
 */
export class Http2ServerConnection
  extends ConnectionCore<ServerStream>
  implements ServerStreamOwner, DeadlineOwner, WriteWatchOwner, LivenessOwner
{
  /** What the application remembers of this connection */
  note: unknown = null;
  /** Requests begun on this connection. */
  requestCount = 0;
  readonly options: Http2ServerOptions;
  readonly #application: Http2Application;
  #state: number = State.Open;
  /** Waits for settings, the rest of a frame, the next request; in the end for the client to close. */
  readonly #deadline: Deadline = new Deadline(this);
  /** Waits for the client to hear that it shall go. */
  #retirement: Deadline | null = null;
  /** How often that was in vain. */
  #waits = 0;
  #watch: WriteWatch | null = null;
  /** True when it closes because all is answered: then what still waits has the time that the client needs for it. */
  #isAnswered = false;
  readonly #liveness: Liveness;
  /** Null while the client told none before its requests, which is usual. */
  #earlyPriorities: EarlyPriorities | null = null;

  /** Serves a socket that was accepted with `pauseOnConnect`, where nothing else is spoken. */
  static accept(
    socket: Socket,
    options: Http2ServerOptions,
    application: Http2Application,
  ): Http2ServerConnection {
    return new Http2ServerConnection(adoptAccepted(socket, DEAF), options, application);
  }

  /** Takes over a transport on which nothing has been said. */
  constructor(transport: Transport, options: Http2ServerOptions, application: Http2Application) {
    super("server", transport, options.limits);
    this.options = options;
    this.#application = application;
    transport.handler = this.handler;
    options.headTimeout.set(this.#deadline);
    this.writeFirstSettings();
    this.#liveness = new Liveness(this, options);
    this.#liveness.start();
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────

  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    const stream = this.streams.get(streamId);
    const block = this.options.takeBlock();
    const kind = stream === undefined ? BlockKind.Request : BlockKind.Trailers;
    // Whoever it is for: the table has to stay in step.
    const outcome = this.decoder.decode(bytes, start, end, block, kind);
    if (outcome === DecodeOutcome.Broken) {
      this.fail(Http2Error.CompressionError, "A header block that can't be decoded");
    } else if (stream !== undefined) this.#endByTrailers(stream, block, isEnd);
    else if (this.numbers.isNew(streamId)) this.#open(streamId, block, isEnd);
    else if (this.judgeAbsent(streamId, FrameType.Headers)) this.countFlood(Flood.Ignored);
    this.options.giveBack(block);
  }

  #endByTrailers(stream: ServerStream, block: FieldBlock, isEnd: boolean): void {
    if (judgeOnStream(stream.state, FrameType.Headers) !== Verdict.Accept) {
      this.breakStream(stream, Http2Error.StreamClosed, "HEADERS after the end of the stream");
    } else if (!isEnd || block.problem !== null) {
      this.breakStream(stream, Http2Error.ProtocolError, "A second header block that is no trailer section");
    } else this.endMessage(stream, HttpHeaders.copyOf(block));
  }

  #open(streamId: number, block: FieldBlock, isEnd: boolean): void {
    if (this.#state >= State.Finishing) {
      // The client was told which was the last one.
      this.countFlood(Flood.Ignored);
      return;
    }
    const stream = new ServerStream(this, this.peer.initialWindowSize, this.createReceiveWindow());
    stream.begunAt = threadClock.now;
    this.addStream(stream, streamId);
    if (this.#earlyPriorities !== null) this.#applyEarly(stream, this.#earlyPriorities);
    const { problem } = block;
    if (this.streams.size > this.limits.local.maxConcurrentStreams) {
      this.#refuseStream(stream, Http2Error.RefusedStream, "TOO_MANY_STREAMS");
    } else if (problem !== null && !isOverLimit(problem)) {
      this.#refuseStream(stream, Http2Error.ProtocolError, problem);
    } else if (isEnd && block.contentLength > 0) {
      this.#refuseStream(stream, Http2Error.ProtocolError, "BAD_CONTENT_LENGTH");
    } else {
      if (isEnd) this.endRemote(stream);
      this.#begin(stream, problem ?? this.#toHead(block, isEnd));
    }
  }

  /** Behind the last stream that is answered, what comes on others is as if it hadn't come (RFC 9113 §6.8). */
  protected override judgeAbsent(streamId: number, type: number): boolean {
    const isTooLate = this.#state >= State.Finishing && this.numbers.isNew(streamId);
    return isTooLate || super.judgeAbsent(streamId, type);
  }

  #toHead(block: FieldBlock, isEnd: boolean): RequestHead | RequestProblem {
    const head = toRequestHead(block, isEnd, this.options.settings.head.requestLine);
    return typeof head !== "string" && this.options.isTooLarge(head.body) ? "BODY_TOO_LARGE" : head;
  }

  #refuseStream(stream: ServerStream, code: Http2Error, problem: string): void {
    this.#application.onRefused(this, problem, 0);
    this.breakStream(stream, code, problem);
  }

  #begin(stream: ServerStream, head: RequestHead | RequestProblem): void {
    this.#deadline.clear();
    this.#liveness.watch();
    this.requestCount++;
    if (typeof head === "string") {
      const status = REQUEST_PROBLEMS[head];
      this.#application.onRefused(this, head, status);
      stream.answer(status);
    } else stream.begin(head);
    const { requestsPerConnection } = this.options.settings;
    if (requestsPerConnection > 0 && this.requestCount >= requestsPerConnection) this.retire();
  }

  onRequest(stream: ServerStream, head: RequestHead): RequestSink {
    return this.#application.onRequest(stream, head, this);
  }

  protected findDataProblem(stream: ServerStream, length: number): string | null {
    return stream.findDataProblem(length);
  }

  protected findEndProblem(stream: ServerStream): string | null {
    return stream.findEndProblem();
  }

  override onReset(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    const isFree = stream !== undefined && isPaidFor(stream);
    if (isFree || this.countFlood(stream === undefined ? Flood.Ignored : Flood.PeerReset))
      super.onReset(streamId, code);
  }

  onPriorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (!this.countFlood(Flood.Ignored)) return;
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.#tellPriority(stream, parsePriority(bytes, start, end));
    else if (!this.numbers.owns(streamId)) {
      this.fail(Http2Error.ProtocolError, "PRIORITY_UPDATE for a stream of the server's");
    } else if (this.numbers.isIdle(streamId)) {
      const most = Math.min(this.limits.local.maxConcurrentStreams, EARLY_PRIORITIES);
      this.#earlyPriorities ??= new EarlyPriorities(most);
      this.#earlyPriorities.note(streamId, parsePriority(bytes, start, end));
    }
  }

  #applyEarly(stream: ServerStream, told: EarlyPriorities): void {
    const priority = told.take(stream.id);
    if (priority !== null) this.#tellPriority(stream, priority);
  }

  #tellPriority(stream: ServerStream, priority: Priority): void {
    stream.toldPriority = priority;
    this.setPriority(stream, priority);
  }

  /** Priorities matter only to streams that have to wait, so nobody looks for them before. */
  override schedule(stream: StreamCore): void {
    const told = (stream as ServerStream).findPriority();
    if (told !== null) this.setPriority(stream, told);
    super.schedule(stream);
  }

  /** A client that leaves has its streams answered, one that was offended waits for us to close. */
  onGoaway(_lastStreamId: number, code: number): void {
    if (!this.countFlood(Flood.Ignored)) return;
    if (code === Http2Error.NoError) this.retire();
    else this.#leave("DOWNSTREAM_CLOSED", `GOAWAY with ${nameOfHttp2Error(code)}`);
  }

  // ── responses ──────────────────────────────────────────────────────────────────────────────────────────────────

  writeHead(stream: ServerStream, head: ResponseHead, framing: BodyLength, isEnd: boolean): void {
    const { malformation } = stream;
    const breaksFraming = malformation === "chunk" && !isEnd;
    this.beginHeaders(responseRoom(head));
    encodeResponse(this.encoder, head, framing, malformation === "chunk" && isEnd ? "header" : malformation);
    this.endHeaders(stream, isEnd);
    if (breaksFraming) this.#writeBrokenData();
    if (isEnd) stream.onLocalEnd();
  }

  /** DATA of no stream. */
  #writeBrokenData(): void {
    const output = this.reserve(FRAME_HEAD);
    output.at = writeDataHead(output.slab, output.at, 0, 0, false);
  }

  writeInformational(stream: ServerStream, head: ResponseHead): void {
    this.beginHeaders(responseRoom(head));
    encodeResponse(this.encoder, head, "none", null);
    this.endHeaders(stream, false);
  }

  override sendEndOf(stream: StreamCore, trailers: HttpHeaders | null): void {
    super.sendEndOf(stream, trailers);
    (stream as ServerStream).onLocalEnd();
  }

  // ── the connection ─────────────────────────────────────────────────────────────────────────────────────────────

  override onBytes(bytes: Buffer, start: number, end: number): void {
    this.#liveness.heard = true;
    super.onBytes(bytes, start, end);
    if (this.#state >= State.Closing) return;
    this.#watchIdle();
    // Answers to what it sends would pile up.
    if (this.transport.blocked && this.transport.unsentBytes > UNSENT_LIMIT) this.transport.pause();
  }

  /** A connection waits for the rest of what has begun, or without a stream for the next one. */
  #watchIdle(): void {
    if (!this.hasPeerSettings) return;
    const { headTimeout, keepAliveTimeout } = this.options;
    if (this.reader.isGathering) {
      if (!this.#deadline.isIn(headTimeout)) headTimeout.set(this.#deadline);
    } else if (this.streams.size > 0) this.#deadline.clear();
    else if (!this.#deadline.isIn(keepAliveTimeout)) keepAliveTimeout.set(this.#deadline);
  }

  protected onStreamGone(stream: ServerStream, ending: Ending): void {
    stream.onGone(ending === Ending.Complete);
    if (this.streams.size > 0) return;
    if (this.#state === State.Open || this.#state === State.Retiring) {
      if (this.hasPeerSettings) this.options.keepAliveTimeout.set(this.#deadline);
    } else if (this.#state === State.Finishing) this.#close();
  }

  retire(): void {
    if (this.#state !== State.Open) return;
    this.#state = State.Retiring;
    this.#retirement = new Deadline(this);
    this.options.linger.set(this.#retirement);
    if (this.hasPeerSettings) this.#tellRetirement();
  }

  /** A client that has only just connected has sent its first request by then, mostly together with its settings. */
  protected override onPeerSettings(isFirst: boolean): void {
    if (isFirst && this.#state === State.Retiring) this.#tellRetirement();
  }

  /** What crosses with this is answered still: the answer to the PING comes behind it. */
  #tellRetirement(): void {
    this.writeGoaway(MAX_31_BITS, Http2Error.NoError, "");
    this.writePing();
  }

  /** Takes no new requests, and closes as soon as those under way are answered. */
  drain(): void {
    this.retire();
  }

  // ── whether the client is there ────────────────────────────────────────────────────────────────────────────────

  /** While something waits to be written, that it is taken is what tells. */
  get needsPeer(): boolean {
    return this.streams.size > 0 && !this.transport.hasUnsent && this.#state < State.Closing;
  }

  probe(): void {
    this.writePing();
  }

  override onSettingsAck(): void {
    super.onSettingsAck();
    this.#liveness.settled();
  }

  onUnsettled(): void {
    this.#application.onSilence(this);
    this.fail(Http2Error.SettingsTimeout, "The settings weren't acknowledged in time");
  }

  onSilence(): void {
    this.#application.onSilence(this);
    this.#leave("DOWNSTREAM_CLOSED", "No answer to a PING");
  }

  // ── the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  override onPingAck(): void {
    super.onPingAck();
    this.#liveness.answered();
    if (this.#state === State.Retiring && this.pingsOwed === 0) this.#finish();
  }

  /** As long as it has to stay anyway: what it should hear may lie behind megabytes that it is still reading. */
  #waitOn(): void {
    if (this.streams.size === 0 || ++this.#waits >= MOST_WAITS) this.#finish();
    else this.options.linger.set(this.#retirement!);
  }

  /** The client has heard of it: what it sends now, it sends knowing that. */
  #finish(): void {
    this.#retirement?.clear();
    this.#state = State.Finishing;
    this.writeGoaway(this.numbers.highest, Http2Error.NoError, "");
    if (this.streams.size === 0) this.#close();
  }

  /** Ends our direction and listens on for a while: closing at once would reset the connection under the last answer. */
  #close(): void {
    if (this.#state >= State.Closing) return;
    this.#isAnswered = this.#state === State.Finishing && this.streams.size === 0;
    this.#state = State.Closing;
    this.reader.stop();
    this.#liveness.stop();
    this.#retirement?.clear();
    this.output.flush();
    this.transport.end();
    this.options.linger.set(this.#deadline);
    if (this.transport.hasUnsent) this.#watchWrite();
    this.transport.resume();
  }

  destroy(): void {
    this.transport.destroy();
  }

  protected onFailure(code: Http2Error, message: string): void {
    if (this.#state >= State.Closing) return;
    if (code === Http2Error.EnhanceYourCalm) this.#application.onFlood(this, this.flood.flood ?? "Headers");
    this.#leave("DOWNSTREAM_BAD_REQUEST", message);
  }

  onDeadline(queue: TimeoutQueue): void {
    const { headTimeout, keepAliveTimeout } = this.options;
    if (queue === headTimeout) {
      this.#application.onHeadTimeout(this);
      this.fail(Http2Error.NoError, "What began did not go on in time");
    } else if (queue === keepAliveTimeout) this.retire();
    else if (this.#state === State.Retiring) this.#waitOn();
    else if (this.#isAnswered && this.transport.hasUnsent) queue.set(this.#deadline);
    else this.transport.destroy();
  }

  override onSocketBlocked(): void {
    this.#watchWrite();
  }

  #watchWrite(): void {
    this.#watch ??= new WriteWatch(this.transport, this.options.writeTimeout, this);
    this.#watch.start();
  }

  override onSocketDrain(): void {
    this.#watch?.stop();
    if (this.#state >= State.Closing) {
      this.options.linger.set(this.#deadline);
      return;
    }
    super.onSocketDrain();
    this.transport.resume();
  }

  onStuck(): void {
    this.loseStreams((stream) => stream.onConnectionLost(new ProxyError("DOWNSTREAM_WRITE_TIMEOUT")));
    this.transport.reset();
  }

  /** A client says GOAWAY when it wants its streams to be finished. Without its direction no window would ever grow again. */
  onSocketEnd(): void {
    this.#leave("DOWNSTREAM_CLOSED");
  }

  #leave(code: ErrorCode, detail?: string): void {
    this.#close();
    this.loseStreams((stream) => stream.onConnectionLost(new ProxyError(code, detail)));
  }

  onSocketClose(error: Error | null): void {
    this.#state = State.Closed;
    this.reader.stop();
    this.#deadline.clear();
    this.#liveness.stop();
    this.#retirement?.clear();
    this.#watch?.stop();
    const options = error === null ? undefined : { cause: error };
    this.loseStreams((stream) =>
      stream.onConnectionLost(new ProxyError("DOWNSTREAM_CLOSED", undefined, options)),
    );
    this.#application.onClosed(this);
  }
}

/**
 * Whether a client may reset a stream as often as it likes: it has waited for its answer to begin, or for a while. That takes as
 * much of it as any other request does. Calls of gRPC often end so: those with deadlines, and those that watch something.
 */
function isPaidFor(stream: ServerStream): boolean {
  return stream.isAnswered || threadClock.now - stream.begunAt >= PATIENCE;
}
