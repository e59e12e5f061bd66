import { type ErrorCode, ProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue, threadClock } from "../base/timeouts.ts";
import type { BodyLength, RequestHead } from "../http/heads.ts";
import { HttpHeaders } from "../http/http-headers.ts";
import type { RequestAdditions } from "../http/streams.ts";
import { describeSocketError } from "../net/describe-socket-error.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Transport } from "../net/transport.ts";
import type { Http2ClientOptions } from "./client-options.ts";
import { type ClientStreamOwner, Http2ClientStream } from "./client-stream.ts";
import { ConnectionCore } from "./connection-core.ts";
import { Http2Error, nameOfHttp2Error } from "./error-codes.ts";
import { Flood } from "./flood-limits.ts";
import { FrameType, MAX_31_BITS } from "./frames.ts";
import { BlockKind, type FieldBlock } from "./hpack/field-block.ts";
import { DecodeOutcome } from "./hpack/header-decoder.ts";
import { isOverList } from "./list-size.ts";
import { CLIENT_PREFACE } from "./preface.ts";
import { giveBlockBack, takeBlock } from "./received-block.ts";
import { encodeRequest, requestRoom } from "./request-writer.ts";
import { ResetAllowance } from "./reset-allowance.ts";
import { Ending, judgeOnStream, StreamState, Verdict } from "./stream-states.ts";
import type { TunnelKind } from "./tunnel-request.ts";

/** Who gives the streams of a connection out. */
export interface Http2ConnectionKeeper {
  /** There may be room for more streams than before, or none is left on it. */
  onRoomChanged(connection: Http2ClientConnection): void;
  /** The connection is gone. */
  onClosed(connection: Http2ClientConnection, error: ProxyError): void;
}

/** A request for a tunnel that isn't sent yet. */
interface Deferred {
  readonly stream: Http2ClientStream;
  readonly head: RequestHead;
  readonly additions: RequestAdditions;
}

/**
 * The client's side of an HTTP/2 connection: many requests at once, each on a stream of its own.
 *
 *     created ─▶ preface, SETTINGS ─▶ one stream ─▶ server's SETTINGS ─▶ as many as it allows ─┬─▶ GOAWAY, or many resets ─▶ the rest ends ─▶ gone
 *                                                                                            └─▶ gone
 */
export class Http2ClientConnection
  extends ConnectionCore<Http2ClientStream>
  implements ClientStreamOwner, DeadlineOwner
{
  /** Streams that were opened. */
  requestCount = 0;
  readonly #options: Http2ClientOptions;
  readonly #keeper: Http2ConnectionKeeper;
  readonly #ping: Deadline = new Deadline(this);
  readonly #settings: Deadline = new Deadline(this);
  /** Waits for the answer to a PING on which it depends whether the connection is used; null: there is no doubt. */
  #doubt: Deadline | null = null;
  /** Streams that were given out and have sent nothing yet. */
  #places = 0;
  #nextId = 1;
  #goingAway = false;
  #hasAnswered = false;
  /** After the server has refused a stream: as many as it has now, until one of them ends. */
  #most: number = Number.POSITIVE_INFINITY;
  /** Null until a request is cancelled. */
  #resets: ResetAllowance | null = null;
  #isGone = false;
  /** What ended it. */
  #lost: ProxyError | null = null;
  /** Of the last GOAWAY: what it said, and the last stream that the server deals with. */
  #goawayReason = "";
  #lastTaken = MAX_31_BITS;
  /** Streams that wait for the server to say whether it knows WebSockets. */
  #deferred: Deferred[] = [];

  constructor(transport: Transport, options: Http2ClientOptions, keeper: Http2ConnectionKeeper) {
    super("client", transport, options.limits);
    this.#options = options;
    this.#keeper = keeper;
    transport.handler = this.handler;
    const output = this.reserve(CLIENT_PREFACE.length);
    output.at += CLIENT_PREFACE.copy(output.slab, output.at);
    this.writeFirstSettings();
    options.answerTimeout.set(this.#settings);
    this.#watch();
  }

  /** Streams under way, those that were only given out included. */
  get active(): number {
    return this.streams.size + this.#places;
  }

  /** True while streams may be opened at all. */
  get usable(): boolean {
    return !this.#goingAway && !this.failed && !this.transport.closed && !this.transport.ended;
  }

  /** True when the server has said that its streams may become other protocols, like WebSocket (RFC 8441). */
  get switchesProtocols(): boolean {
    return this.peer.enableConnectProtocol;
  }

  /** How many streams it can carry at once. Before the server has said how many it allows, the first is tried alone. */
  get capacity(): number {
    if (!this.hasPeerSettings) return 1;
    return Math.min(this.#options.settings.streams, this.peer.maxConcurrentStreams);
  }

  get hasRoom(): boolean {
    const isTrusted = this.#doubt === null;
    return this.active < this.capacity && this.active < this.#most && isTrusted && this.usable;
  }

  /** A stream for one request. There must be room. */
  takeStream(): Http2ClientStream {
    this.#places++;
    return new Http2ClientStream(
      this,
      this.#options,
      this.peer.initialWindowSize,
      this.createReceiveWindow(),
      this.#hasAnswered,
    );
  }

  /** Takes no more streams, and ends with its last one. */
  retire(): void {
    this.#goingAway = true;
    this.#endIfDone();
  }

  // ── for its streams ────────────────────────────────────────────────────────────────────────────────────────────

  releasePlace(): void {
    this.#places--;
    this.#onFewer();
  }

  openStream(
    stream: Http2ClientStream,
    head: RequestHead,
    body: BodyLength,
    additions: RequestAdditions,
  ): ProxyError | null {
    this.#places--;
    const room = requestRoom(head, additions);
    const problem = this.#findProblem(stream.tunnelKind, room, head, additions);
    if (problem !== null) {
      stream.state = StreamState.Closed;
      this.#onFewer();
      return problem;
    }
    // The window may have been changed since the stream was given out.
    stream.sends.available = this.peer.initialWindowSize;
    this.beginHeaders(room);
    const scheme = this.transport.tls === null ? "http" : "https";
    encodeRequest(this.encoder, scheme, head, body, additions, stream.tunnelKind);
    this.addStream(stream, this.#nextId);
    this.#nextId += 2;
    this.requestCount++;
    this.endHeaders(stream, body === "none" && stream.tunnelKind === null);
    if (this.#nextId > MAX_31_BITS) this.#goingAway = true;
    return null;
  }

  /** Why a request can't be sent on this connection. */
  #findProblem(
    tunnelKind: TunnelKind | null,
    room: number,
    head: RequestHead,
    additions: RequestAdditions,
  ): ProxyError | null {
    const { maxHeaderListSize, enableConnectProtocol } = this.peer;
    if (!this.usable) return new ProxyError("UPSTREAM_REFUSED");
    if (tunnelKind === "websocket" && !enableConnectProtocol) return new ProxyError("UPSTREAM_NO_WEBSOCKET");
    const isTooMuch =
      maxHeaderListSize !== Number.POSITIVE_INFINITY && isOverList(maxHeaderListSize, room, head, additions);
    return isTooMuch ? new ProxyError("UPSTREAM_HEAD_LIMIT") : null;
  }

  openTunnel(stream: Http2ClientStream, head: RequestHead, additions: RequestAdditions): void {
    this.#deferred.push({ stream, head, additions });
    // Whoever sends isn't ready for an answer while it does.
    if (this.hasPeerSettings || !this.usable) process.nextTick(() => this.#openDeferred());
  }

  /** The server has told its settings, or won't any more. */
  #openDeferred(): void {
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const { stream, head, additions } of deferred) {
      if (stream.isClosed) continue;
      const problem = this.openStream(stream, head, "none", additions);
      if (problem !== null) stream.fail(problem);
    }
  }

  get tls(): TlsDigest | null {
    return this.transport.tls;
  }

  get takenBytes(): number {
    return this.transport.takenBytes;
  }

  isStuck(takenBefore: number): boolean {
    if (!this.transport.blocked) return true;
    if (this.takenBytes > takenBefore) return false;
    this.#lose(new ProxyError("UPSTREAM_WRITE_TIMEOUT"));
    return true;
  }

  override onReset(streamId: number, code: number): void {
    if (!this.streams.has(streamId) && !this.countFlood(Flood.Ignored)) return;
    super.onReset(streamId, code);
    if (code === Http2Error.RefusedStream) this.#most = Math.max(1, this.active);
  }

  protected onStreamGone(stream: Http2ClientStream, ending: Ending): void {
    if (ending === Ending.Complete) stream.onComplete();
    else if (ending === Ending.WeReset) this.#countReset();
    this.#most = Number.POSITIVE_INFINITY;
    this.#onFewer();
  }

  /** The server is spared more of them; the requests that there are go on. */
  #countReset(): void {
    this.#resets ??= new ResetAllowance();
    if (this.#resets.use(threadClock.now)) return;
    this.#goingAway = true;
    if (!this.#isGone) this.#keeper.onRoomChanged(this);
  }

  #onFewer(): void {
    if (this.#isGone) return;
    if (this.#goingAway) this.#endIfDone();
    else this.#keeper.onRoomChanged(this);
  }

  #endIfDone(): void {
    if (this.active === 0) this.shut();
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  override onBytes(bytes: Buffer, start: number, end: number): void {
    this.#watch();
    super.onBytes(bytes, start, end);
  }

  protected override onPeerSettings(): void {
    this.#watchSettings();
    if (this.#deferred.length > 0) this.#openDeferred();
    this.#keeper.onRoomChanged(this);
  }

  override onSettingsAck(): void {
    super.onSettingsAck();
    this.#watchSettings();
  }

  #watchSettings(): void {
    if (this.hasPeerSettings && this.settingsOwed === 0) this.#settings.clear();
  }

  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEndStream: boolean): void {
    const stream = this.streams.get(streamId);
    const isTrailers = stream?.hasHead === true;
    const block = takeBlock();
    const kind = isTrailers ? BlockKind.Trailers : BlockKind.Response;
    const outcome = this.decoder.decode(bytes, start, end, block, kind);
    if (outcome === DecodeOutcome.Broken) {
      this.fail(Http2Error.CompressionError, "A header block that can't be decoded");
    } else if (stream === undefined) {
      if (this.judgeAbsent(streamId, FrameType.Headers)) this.countFlood(Flood.Ignored);
    } else if (outcome === DecodeOutcome.Refused) {
      this.breakStream(stream, Http2Error.ProtocolError, block.problem ?? "a malformed head");
    } else this.#takeBlock(stream, block, isTrailers, isEndStream);
    giveBlockBack(block);
  }

  #takeBlock(stream: Http2ClientStream, block: FieldBlock, isTrailers: boolean, isEnd: boolean): void {
    if (judgeOnStream(stream.state, FrameType.Headers) !== Verdict.Accept) {
      this.breakStream(stream, Http2Error.StreamClosed, "a head after the end of the stream");
      return;
    }
    this.#hasAnswered = true;
    if (isTrailers) {
      if (stream.isTunnel) this.breakStream(stream, Http2Error.ProtocolError, "a head in a tunnel");
      else if (isEnd) this.endMessage(stream, HttpHeaders.copyOf(block));
      else this.breakStream(stream, Http2Error.ProtocolError, "a second head");
      return;
    }
    const problem = stream.takeHead(block, isEnd);
    if (problem !== null) this.breakStream(stream, Http2Error.ProtocolError, problem);
    else if (isEnd && !stream.isClosed) this.endMessage(stream, null);
  }

  protected findDataProblem(stream: Http2ClientStream, length: number): string | null {
    return stream.findDataProblem(length);
  }

  protected findEndProblem(stream: Http2ClientStream): string | null {
    return stream.findEndProblem();
  }

  onPriorityUpdate(): void {}

  /** Streams above the last one that the server deals with were not looked at (RFC 9113 §6.8). */
  onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void {
    if (!this.countFlood(Flood.Ignored)) return;
    if (lastStreamId > this.#lastTaken) {
      this.fail(Http2Error.ProtocolError, "A GOAWAY that takes more than the one before");
      return;
    }
    this.#lastTaken = lastStreamId;
    this.#goingAway = true;
    this.#goawayReason = `${nameOfHttp2Error(code)} ${bytes.toString("latin1", start, end)}`;
    const refused = this.streams.all().filter(({ id }) => id > lastStreamId);
    for (const stream of refused) this.forgetStream(stream);
    for (const stream of refused) stream.onRefused();
    if (!this.#isGone) this.#keeper.onRoomChanged(this);
    this.#endIfDone();
  }

  // ── whether it is alive ────────────────────────────────────────────────────────────────────────────────────────

  #watch(): void {
    if (this.#options.settings.pingInterval > 0) this.#options.pingInterval.set(this.#ping);
  }

  /** Nothing came for a while, or not what a connection begins with. */
  onDeadline(queue: TimeoutQueue): void {
    if (queue === this.#options.answerTimeout) {
      this.fail(Http2Error.SettingsTimeout, this.hasPeerSettings ? "no acknowledgement came" : "none came");
      return;
    }
    if (this.pingsOwed > 0) {
      this.#loseDead();
      return;
    }
    this.writePing();
    this.#watch();
  }

  /** Nobody knows yet: until a PING is answered no more requests are given to it. */
  doubt(): void {
    const { answerTimeout } = this.#options;
    if (this.#isGone || this.#doubt !== null || answerTimeout.duration === 0) return;
    this.#doubt = new Deadline({ onDeadline: () => this.#loseDead() });
    answerTimeout.set(this.#doubt);
    this.writePing();
  }

  override onPingAck(): void {
    super.onPingAck();
    if (this.#doubt === null || this.pingsOwed > 0 || this.#isGone) return;
    this.#doubt.clear();
    this.#doubt = null;
    this.#keeper.onRoomChanged(this);
  }

  #loseDead(): void {
    this.#lose(new ProxyError("UPSTREAM_CLOSED", "it doesn't answer a PING"));
  }

  // ── its end ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected onFailure(code: Http2Error, message: string): void {
    let reason: ErrorCode = "UPSTREAM_BAD_RESPONSE";
    if (code === Http2Error.EnhanceYourCalm) reason = "UPSTREAM_FLOOD";
    else if (code === Http2Error.SettingsTimeout && !this.hasPeerSettings)
      reason = "UPSTREAM_CONNECT_TIMEOUT";
    this.#lose(new ProxyError(reason, `${nameOfHttp2Error(code)}: ${message}`));
  }

  onSocketEnd(): void {
    this.#lose(new ProxyError("UPSTREAM_CLOSED", this.#goawayReason || undefined));
  }

  onSocketClose(error: Error | null): void {
    const cause = error === null ? undefined : { cause: error };
    const words = error === null ? undefined : describeSocketError(error);
    this.#lose(new ProxyError(error === null ? "UPSTREAM_CLOSED" : "UPSTREAM_RESET", words, cause));
    this.#ping.clear();
    this.#keeper.onClosed(this, this.#lost!);
  }

  #lose(error: ProxyError): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#lost = error;
    this.#goingAway = true;
    this.#ping.clear();
    this.#settings.clear();
    this.#doubt?.clear();
    this.reader.stop();
    this.shut();
    this.loseStreams((stream) => stream.onConnectionLost(error));
    this.#openDeferred();
    this.#keeper.onRoomChanged(this);
  }
}
