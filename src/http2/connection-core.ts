import { threadClock } from "../base/timeouts.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { ConnectionFrames } from "./connection-frames.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { Http2Error } from "./error-codes.ts";
import { FloodGuard } from "./flood-guard.ts";
import { Flood } from "./flood-limits.ts";
import { ReceiveWindow, SendWindow, WindowBudget } from "./flow-window.ts";
import { FrameReader } from "./frame-reader.ts";
import type { FrameSink } from "./frame-sink.ts";
import { DEFAULT_FRAME_SIZE, FrameType, PING_SIZE } from "./frames.ts";
import { HeaderDecoder } from "./hpack/header-decoder.ts";
import type { Priority } from "./priority.ts";
import { RoundTrip } from "./round-trip.ts";
import { SettingId, toSettingList } from "./settings.ts";
import { type SocketListener, SocketSide } from "./socket-side.ts";
import type { StreamCore, StreamOwner } from "./stream-core.ts";
import { StreamScheduler } from "./stream-scheduler.ts";
import {
  afterLocalEnd,
  afterRemoteEnd,
  Ending,
  judgeOnClosed,
  judgeOnStream,
  StreamNumbers,
  StreamState,
  Verdict,
} from "./stream-states.ts";
import { StreamTable } from "./stream-table.ts";

const INITIAL_CONNECTION_WINDOW = 65_535;
/** Bytes that a window has to let through at once to be worth an update. */
const SMALLEST_STEP = 256;
const NO_PAYLOAD: Buffer = Buffer.alloc(PING_SIZE);

/**
 * What both sides of an HTTP/2 connection do alike: settings, windows, DATA in both directions, resets, PING. Whose
 * messages those are is for the sides to say.
 */
export abstract class ConnectionCore<S extends StreamCore>
  extends ConnectionFrames
  implements FrameSink, StreamOwner, SocketListener
{
  /** What the transport is to tell. */
  readonly handler: TransportHandler = new SocketSide(this);
  readonly streams: StreamTable<S> = new StreamTable();
  /** The numbers of the client's streams, which are all there are. */
  readonly numbers: StreamNumbers = new StreamNumbers("client");
  readonly flood: FloodGuard;
  protected readonly limits: ConnectionLimits;
  protected readonly decoder: HeaderDecoder = new HeaderDecoder();
  protected readonly reader: FrameReader;
  readonly #role: "server" | "client";
  readonly #roundTrip = new RoundTrip(() => performance.now());
  readonly #budget: WindowBudget;
  readonly #sends = new SendWindow(INITIAL_CONNECTION_WINDOW);
  readonly #receives: ReceiveWindow;
  readonly #scheduler = new StreamScheduler<StreamCore>();
  /** SETTINGS and PING that the peer owes us an acknowledgement of. */
  #settingsOwed = 0;
  #pingsOwed = 0;
  #hasPeerSettings = false;
  /** By how much the settings that are being read change the initial window. */
  #windowShift = 0;
  /** The stream whose DATA is coming in; null when nobody wants it. */
  #data: S | null = null;
  #dataLength = 0;
  #dataPadding = 0;

  constructor(role: "server" | "client", transport: Transport, limits: ConnectionLimits) {
    super(role, transport);
    this.#role = role;
    this.limits = limits;
    this.flood = new FloodGuard(limits.floods);
    this.reader = new FrameReader(role, this, limits.frames);
    this.#budget = new WindowBudget(limits.windowBudget);
    this.#receives = new ReceiveWindow(
      INITIAL_CONNECTION_WINDOW,
      limits.largestConnectionWindow,
      this.#roundTrip,
    );
  }

  abstract onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEndStream: boolean): void;
  abstract onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void;
  abstract onPriorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void;
  /** The peer has broken a rule of the connection: GOAWAY is written, nothing is read any more. */
  protected abstract onFailure(code: Http2Error, message: string): void;
  /** A stream is gone, for whatever reason. */
  protected abstract onStreamGone(stream: S, ending: Ending): void;
  /** The peer has told its settings, or changed them. */
  protected onPeerSettings(_isFirst: boolean): void {}
  /** The peer has ended its direction of the connection */
  abstract onSocketEnd(): void;
  /** The connection is gone */
  abstract onSocketClose(error: Error | null): void;

  /** Of streams that are over nobody has anything to say. */
  get expectsMore(): boolean {
    return this.streams.size > 0;
  }

  /** True once nothing is read any more. */
  get failed(): boolean {
    return this.reader.stopped;
  }

  get hasPeerSettings(): boolean {
    return this.#hasPeerSettings;
  }

  // ── the connection's beginning and end ─────────────────────────────────────────────────────────────────────────

  /** Says what a side says first, after the preface of a client. */
  protected writeFirstSettings(): void {
    this.writeSettings(toSettingList(this.#role, this.limits.local));
    this.#settingsOwed++;
    this.#roundTrip.sent();
    this.writeWindowUpdate(0, this.#receives.raise(this.limits.connectionWindow));
  }

  protected writePing(): void {
    this.#pingsOwed++;
    this.#roundTrip.sent();
    this.writePingFrame(NO_PAYLOAD, 0, false);
  }

  protected get settingsOwed(): number {
    return this.#settingsOwed;
  }

  protected get pingsOwed(): number {
    return this.#pingsOwed;
  }

  /** Ends the connection for the peer's fault, or because it does too much of something. */
  protected fail(code: Http2Error, message: string): void {
    if (this.reader.stopped && this.transport.closed) return;
    this.reader.stop();
    this.writeGoaway(this.#role === "server" ? this.numbers.highest : 0, code, message);
    this.onFailure(code, message);
  }

  /** Counts what the peer did; false when that was too much. */
  protected countFlood(kind: Flood): boolean {
    const verdict = this.flood.count(kind, threadClock.now);
    if (verdict === Http2Error.NoError) return true;
    this.fail(verdict, `Too much of ${this.flood.flood}`);
    return false;
  }

  // ── streams ────────────────────────────────────────────────────────────────────────────────────────────────────

  protected createReceiveWindow(): ReceiveWindow {
    const { local, largestStreamWindow } = this.limits;
    return new ReceiveWindow(local.initialWindowSize, largestStreamWindow, this.#roundTrip, this.#budget);
  }

  /** A stream has got its number, the next one. */
  protected addStream(stream: S, id: number): void {
    stream.id = id;
    stream.state = StreamState.Open;
    this.numbers.open(id);
    this.streams.add(stream);
  }

  /** The peer has sent END_STREAM. The stream itself hears of it from the caller. */
  protected endRemote(stream: S): void {
    stream.state = afterRemoteEnd(stream.state);
    if (stream.state === StreamState.Closed) this.#complete(stream);
  }

  #endLocal(stream: StreamCore): void {
    stream.state = afterLocalEnd(stream.state);
    if (stream.state === StreamState.Closed) this.#complete(stream as S);
  }

  #complete(stream: S): void {
    this.flood.streamEnded();
    this.#remove(stream, Ending.Complete);
  }

  #remove(stream: S, ending: Ending): void {
    stream.state = StreamState.Closed;
    if (this.#data === stream) this.#data = null;
    if (ending === Ending.WeReset) this.flood.streamReset(stream.receives.available);
    this.streams.delete(stream.id);
    this.numbers.close(stream.id, ending);
    this.#scheduler.remove(stream);
    stream.receives.close();
    this.onStreamGone(stream, ending);
  }

  /** All streams are over because the connection is; `tell` tells each. */
  protected loseStreams(tell: (stream: S) => void): void {
    const lost = this.streams.all();
    for (const stream of lost) this.#remove(stream, Ending.WeReset);
    for (const stream of lost) tell(stream);
  }

  /** Takes a stream out that the peer says it never looked at. */
  protected forgetStream(stream: S): void {
    this.#remove(stream, Ending.PeerReset);
  }

  resetStream(stream: StreamCore, code: Http2Error): void {
    if (stream.isClosed || stream.state === StreamState.Idle) return;
    this.writeReset(stream.id, code);
    this.#remove(stream as S, Ending.WeReset);
  }

  /**
   * What to do with a frame of this type on a stream that isn't there. Handles what is more than ignoring it.
   * @returns false when the connection is at its end
   */
  protected judgeAbsent(streamId: number, type: number): boolean {
    if (this.numbers.isIdle(streamId)) {
      this.fail(Http2Error.ProtocolError, "A frame on a stream that isn't open");
      return false;
    }
    const ending = this.numbers.endingOf(streamId);
    // A server opens none. It may be answering one that was reset, and hundreds of others have ended before that was heard.
    if (ending === Ending.Unknown && this.#role === "client") return true;
    const verdict = judgeOnClosed(ending, type);
    if (verdict === Verdict.StreamClosed) return this.#resetAbsent(streamId, Http2Error.StreamClosed);
    if (verdict === Verdict.Ignore) return true;
    const isClosed = verdict === Verdict.ConnectionStreamClosed;
    const code = isClosed ? Http2Error.StreamClosed : Http2Error.ProtocolError;
    this.fail(code, "A frame on a stream that is over");
    return false;
  }

  /** @returns false when that was too much */
  #resetAbsent(streamId: number, code: Http2Error): boolean {
    // What we have reset is reset; more may have been on its way.
    if (this.numbers.endingOf(streamId) === Ending.WeReset) return this.countFlood(Flood.Ignored);
    this.writeReset(streamId, code);
    return this.countFlood(Flood.OwnReset);
  }

  /** A rule is broken that concerns one stream alone. */
  protected breakStream(stream: S, code: Http2Error, message: string): void {
    if (stream.isClosed) return;
    this.resetStream(stream, code);
    stream.onBroken(code, message);
    this.countFlood(Flood.OwnReset);
  }

  // ── what goes out ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes room for a header block of at most `room` bytes and begins it; it is to be encoded with `encoder`. */
  protected beginHeaders(room: number): void {
    this.beginBlock(room);
  }

  protected endHeaders(stream: StreamCore, isEndStream: boolean): void {
    this.endBlock(stream.id, isEndStream);
    if (isEndStream) this.#endLocal(stream);
  }

  sendData(stream: StreamCore, bytes: Buffer, start: number, end: number): number {
    const { transport } = this;
    let at = start;
    if (!this.#scheduler.isEmpty && !stream.hasQueue) return at;
    while (at < end && !transport.blocked && !transport.closed) {
      const room = Math.min(end - at, DEFAULT_FRAME_SIZE, this.#sends.available, stream.sends.available);
      if (room <= 0) break;
      stream.sends.take(room);
      this.#sends.take(room);
      this.writeData(stream.id, bytes, at, at + room);
      at += room;
      // A window that is opened byte by byte pays for itself with nothing.
      if (at === end || room >= SMALLEST_STEP) this.flood.dataSent();
    }
    return at;
  }

  sendEndOf(stream: StreamCore, trailers: HttpHeaders | null): void {
    this.writeEnd(stream.id, trailers);
    this.#endLocal(stream);
  }

  schedule(stream: StreamCore): void {
    if (stream.sends.available > 0) this.#scheduler.add(stream);
  }

  /** Sends what waits, in turns, as far as windows and the socket allow. */
  protected pump(): void {
    const { transport } = this;
    while (!transport.blocked && !transport.closed && this.#sends.available > 0) {
      const stream = this.#scheduler.next();
      if (stream === null) return;
      const isAll = stream.sendQueued(DEFAULT_FRAME_SIZE);
      this.#scheduler.turnTaken(stream);
      if (isAll || stream.sends.available <= 0) this.#scheduler.remove(stream);
      if (isAll) stream.finishQueue();
    }
  }

  sendWindowUpdate(stream: StreamCore, increment: number): void {
    this.writeWindowUpdate(stream.id, increment);
  }

  /** Gives a stream its priority, whether it has something to send or not. */
  protected setPriority(stream: StreamCore, priority: Priority): void {
    this.#scheduler.setPriority(stream, priority);
  }

  /** More waits in the socket than should. Streams find out when they send. */
  onSocketBlocked(): void {}

  /** All that waited in the socket is out. */
  onSocketDrain(): void {
    this.flood.answersWritten();
    this.pump();
  }

  // ── what comes in ──────────────────────────────────────────────────────────────────────────────────────────────

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.reader.read(bytes, start, end);
    if (!this.#scheduler.isEmpty) this.pump();
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#data?.receive(bytes, start, end);
  }

  onDataStart(streamId: number, length: number, padding: number): void {
    this.#dataLength = length;
    this.#dataPadding = padding;
    this.#data = null;
    if (!this.#receives.receive(length)) {
      this.fail(Http2Error.FlowControlError, "DATA over the connection's window");
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      const isStray = this.judgeAbsent(streamId, FrameType.Data);
      if (isStray && !this.flood.takesStray(length))
        this.fail(Http2Error.FlowControlError, "DATA without end");
      return;
    }
    if (judgeOnStream(stream.state, FrameType.Data) !== Verdict.Accept) {
      this.breakStream(stream, Http2Error.StreamClosed, "DATA after the end of the stream");
    } else if (!stream.receives.receive(length)) {
      this.breakStream(stream, Http2Error.FlowControlError, "DATA over the stream's window");
    } else this.#acceptData(stream, padding);
  }

  #acceptData(stream: S, padding: number): void {
    const problem = this.findDataProblem(stream, this.#dataLength - padding);
    if (problem !== null) {
      this.breakStream(stream, Http2Error.ProtocolError, problem);
      return;
    }
    this.#data = stream;
    if (padding > 0) stream.releaseWindow(padding);
  }

  /** What is wrong with DATA of that length on this stream, beyond what frames have to keep to. */
  protected abstract findDataProblem(stream: S, length: number): string | null;
  /** What is wrong with this stream's end at this place. */
  protected abstract findEndProblem(stream: S): string | null;

  onDataEnd(isEndStream: boolean): void {
    const stream = this.#data;
    this.#data = null;
    const { flood } = this;
    const padding = this.#dataPadding;
    const verdict = flood.countData(this.#dataLength - padding, padding, isEndStream, threadClock.now);
    if (verdict !== Http2Error.NoError) {
      this.fail(verdict, `Too much of ${flood.flood}`);
      return;
    }
    this.writeWindowUpdate(0, this.#receives.release(this.#dataLength));
    if (isEndStream && stream !== null) this.endMessage(stream, null);
  }

  /** The peer's message on this stream is complete, if it may be. */
  protected endMessage(stream: S, trailers: HttpHeaders | null): void {
    const problem = this.findEndProblem(stream);
    if (problem !== null) {
      this.breakStream(stream, Http2Error.ProtocolError, problem);
      return;
    }
    this.endRemote(stream);
    stream.receiveEnd(trailers);
  }

  onReset(streamId: number, code: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) {
      this.judgeAbsent(streamId, FrameType.ResetStream);
      return;
    }
    this.#remove(stream, Ending.PeerReset);
    stream.onReset(code);
  }

  onSetting(id: number, value: number): void {
    const before = this.peer.initialWindowSize;
    const error = this.peer.apply(id, value);
    if (error !== Http2Error.NoError) this.fail(error, "A setting out of its range");
    else if (id === SettingId.HeaderTableSize) this.encoder.limitTable(value);
    else if (id === SettingId.InitialWindowSize) this.#windowShift += value - before;
  }

  /** Once for a whole frame: it can hold thousands of windows, and each would concern all streams. */
  #shiftWindows(): void {
    const bytes = this.#windowShift;
    if (bytes === 0) return;
    this.#windowShift = 0;
    for (const stream of this.streams.all()) {
      if (!stream.sends.grow(bytes)) {
        this.fail(Http2Error.FlowControlError, "An initial window that makes a stream's too large");
        return;
      }
      if (stream.sends.available <= 0) this.#scheduler.remove(stream);
      else if (stream.hasQueue) this.#scheduler.add(stream);
    }
  }

  onSettingsEnd(): void {
    const isFirst = !this.#hasPeerSettings;
    this.#hasPeerSettings = true;
    this.#shiftWindows();
    if (this.failed) return;
    if (!isFirst && !this.countFlood(Flood.Settings)) return;
    if (!this.#mayAnswer()) return;
    this.writeSettingsAck();
    this.onPeerSettings(isFirst);
  }

  onSettingsAck(): void {
    if (this.#settingsOwed === 0) {
      this.countFlood(Flood.Settings);
      return;
    }
    this.#settingsOwed--;
    this.#roundTrip.answered();
    this.decoder.limitTable(this.limits.local.headerTableSize);
  }

  onPing(bytes: Buffer, start: number): void {
    if (!this.countFlood(Flood.Ping) || !this.#mayAnswer()) return;
    this.writePingFrame(bytes, start, true);
  }

  onPingAck(): void {
    if (this.#pingsOwed === 0) {
      this.countFlood(Flood.Ping);
      return;
    }
    this.#pingsOwed--;
    this.#roundTrip.answered();
  }

  /** Answers that pile up because the peer doesn't read would fill the memory. */
  #mayAnswer(): boolean {
    if (this.transport.hasUnsent) return this.countFlood(Flood.UnreadAnswers);
    return true;
  }

  onWindowUpdate(streamId: number, increment: number): void {
    if (!this.countFlood(Flood.WindowUpdate)) return;
    if (streamId === 0) {
      if (!this.#sends.grow(increment))
        this.fail(Http2Error.FlowControlError, "A connection's window that is too large");
      return;
    }
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.judgeAbsent(streamId, FrameType.WindowUpdate);
    else if (!stream.sends.grow(increment)) {
      this.breakStream(stream, Http2Error.FlowControlError, "A stream's window that is too large");
    } else if (stream.hasQueue) this.schedule(stream);
  }

  onIgnoredFrame(): void {
    this.countFlood(Flood.Ignored);
  }

  onStreamError(streamId: number, code: Http2Error, message: string): void {
    const stream = this.streams.get(streamId);
    if (stream !== undefined) this.breakStream(stream, code, message);
    else if (this.numbers.isIdle(streamId)) this.fail(code, message);
    else this.#resetAbsent(streamId, code);
  }

  onConnectionError(code: Http2Error, message: string): void {
    this.fail(code, message);
  }
}
