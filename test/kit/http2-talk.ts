import { EventEmitter, once } from "node:events";
import type { Socket } from "node:net";
import { Http2Error, nameOfHttp2Error } from "../../src/http2/error-codes.ts";
import { ReceiveWindow, SendWindow } from "../../src/http2/flow-window.ts";
import { FrameReader } from "../../src/http2/frame-reader.ts";
import type { FrameSink } from "../../src/http2/frame-sink.ts";
import {
  closeHeaders,
  goawaySize,
  headersSize,
  PING_FRAME,
  RESET_FRAME,
  settingsSize,
  WINDOW_UPDATE_FRAME,
  writeDataHead,
  writeGoaway,
  writePing,
  writeReset,
  writeSettings,
  writeSettingsAck,
  writeWindowUpdate,
} from "../../src/http2/frame-writer.ts";
import { FRAME_HEAD } from "../../src/http2/frames.ts";
import { CLIENT_PREFACE } from "../../src/http2/preface.ts";
import { RoundTrip } from "../../src/http2/round-trip.ts";
import {
  DEFAULT_LOCAL_SETTINGS,
  type LocalSettings,
  PeerSettings,
  SettingId,
  toSettingList,
} from "../../src/http2/settings.ts";
import { withDeadline } from "./deadline.ts";

/** What was heard of one stream. */
export interface HeardStream {
  readonly blocks: Buffer[];
  readonly body: Buffer[];
  ended: boolean;
  reset: string | null;
  readonly receives: ReceiveWindow;
  readonly sends: SendWindow;
}

const LARGEST_WINDOW = 4 * 1024 * 1024;

/**
 * The least that can talk HTTP/2 with somebody through the codec's frames and windows: one end of a socket that answers what has
 * to be answered and keeps what it heard. It knows nothing of HPACK.
 */
export class Http2Talk implements FrameSink {
  readonly streams: Map<number, HeardStream> = new Map();
  readonly settings: PeerSettings;
  /** What else was heard: acknowledgements, GOAWAY, errors. */
  readonly notes: string[] = [];
  readonly receives: ReceiveWindow;
  /** Leaves SETTINGS unanswered. */
  mutesSettings = false;
  /** Leaves PING unanswered. */
  mutesPings = false;
  /** The stream of each DATA frame that came. */
  readonly order: number[] = [];
  /** PING that came. */
  pings = 0;
  /** Lets the other side send no more than its windows hold. */
  mutesWindows = false;
  readonly #sends = new SendWindow(65_535);
  readonly #socket: Socket;
  readonly #reader: FrameReader;
  readonly #roundTrip = new RoundTrip(() => performance.now());
  readonly #heard = new EventEmitter();
  #stream: HeardStream | null = null;
  #streamId = 0;
  #length = 0;

  /** @param first the settings that are told first; null for none, not even an empty frame */
  constructor(
    role: "server" | "client",
    socket: Socket,
    first: LocalSettings | null = DEFAULT_LOCAL_SETTINGS,
  ) {
    this.#socket = socket;
    this.#heard.setMaxListeners(0);
    this.settings = new PeerSettings(role);
    this.receives = new ReceiveWindow(65_535, LARGEST_WINDOW, this.#roundTrip);
    this.#reader = new FrameReader(role, this);
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => {
      this.#reader.read(bytes, 0, bytes.length);
      this.#heard.emit("heard");
    });
    socket.on("close", () => this.#heard.emit("heard"));
    socket.on("error", (error) => this.notes.push(error.message));
    if (role === "client") socket.write(CLIENT_PREFACE);
    this.#roundTrip.sent();
    if (first !== null) this.sendSettings(toSettingList(role, first));
  }

  /** Waits until what was heard makes `isThere` true. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      // Nothing more will be heard, and to wait on would only keep the process.
      if (this.#socket.destroyed) throw new Error(`closed after ${this.notes.join(", ")}`);
      await withDeadline(once(this.#heard, "heard"), 20_000, () => `more than ${this.notes.join(", ")}`);
    }
  }

  stream(id: number): HeardStream {
    let stream = this.streams.get(id);
    if (stream === undefined) {
      const receives = new ReceiveWindow(65_535, LARGEST_WINDOW, this.#roundTrip);
      const sends = new SendWindow(this.settings.initialWindowSize);
      stream = { blocks: [], body: [], ended: false, reset: null, receives, sends };
      this.streams.set(id, stream);
    }
    return stream;
  }

  /** @param frameSize less than the peer would take, to have CONTINUATION */
  sendHeaders(
    id: number,
    block: Buffer,
    isEnd: boolean,
    frameSize: number = this.settings.maxFrameSize,
  ): void {
    this.stream(id);
    this.#write(headersSize(block.length, frameSize), (out) => {
      const end = FRAME_HEAD + block.copy(out, FRAME_HEAD);
      return closeHeaders(out, 0, end, id, isEnd, frameSize);
    });
  }

  /** Sends a body as the windows allow, and the end of the stream with it. */
  sendBody(id: number, body: Buffer, ends: boolean = true): Promise<void> {
    return this.sendPiece(id, body, ends);
  }

  /** Sends a part of a body as the windows allow. */
  async sendPiece(id: number, body: Buffer, isLast: boolean = false): Promise<void> {
    const { sends } = this.stream(id);
    for (let at = 0; at < body.length; ) {
      const wanted = Math.min(body.length - at, this.settings.maxFrameSize);
      const size = Math.min(sends.allowed(wanted), this.#sends.allowed(wanted));
      if (size === 0) {
        await this.until(() => sends.available > 0 && this.#sends.available > 0);
        continue;
      }
      sends.take(size);
      this.#sends.take(size);
      const isEnd = isLast && at + size === body.length;
      this.#write(FRAME_HEAD, (out) => writeDataHead(out, 0, size, id, isEnd));
      this.#socket.write(body.subarray(at, at + size));
      at += size;
    }
  }

  /** Gives all room that was kept back by `mutesWindows`. */
  openWindows(id: number): void {
    this.mutesWindows = false;
    for (const window of [id, 0]) {
      this.#write(WINDOW_UPDATE_FRAME, (out) => writeWindowUpdate(out, 0, window, 65_535));
    }
  }

  /** Bytes that may be sent on this stream now. */
  roomOf(id: number): number {
    return Math.max(0, Math.min(this.stream(id).sends.available, this.#sends.available));
  }

  /** Forgets the streams that are over. */
  forget(): void {
    for (const [id, { ended }] of this.streams) if (ended) this.streams.delete(id);
    this.order.length = 0;
  }

  /** Tells other settings than at first. */
  sendSettings(list: readonly (readonly [id: number, value: number])[]): void {
    this.#write(settingsSize(list.length), (out) => writeSettings(out, 0, list));
  }

  /** Bytes as they are, whether they are frames or not. */
  sendRaw(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  sendPing(payload: string): void {
    this.#write(PING_FRAME, (out) => writePing(out, 0, Buffer.from(payload), 0, false));
  }

  sendReset(id: number, code: Http2Error): void {
    this.#write(RESET_FRAME, (out) => writeReset(out, 0, id, code));
  }

  sendGoaway(lastStreamId: number, code: Http2Error, why: string): void {
    this.#write(goawaySize(why), (out) => writeGoaway(out, 0, lastStreamId, code, why));
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Ends this side's direction. */
  end(): void {
    this.#socket.end();
  }

  #write(size: number, write: (out: Buffer) => number): void {
    const out = Buffer.alloc(size);
    if (write(out) !== size) throw new Error("a frame of another size than it was said to be");
    this.#socket.write(out);
  }

  onDataStart(streamId: number, length: number, padding: number): void {
    this.order.push(streamId);
    this.#stream = this.stream(streamId);
    this.#streamId = streamId;
    this.#length = length;
    const isAllowed = this.#stream.receives.receive(length) && this.receives.receive(length);
    if (!isAllowed) this.notes.push(`DATA of ${length} with ${padding} over the window`);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#stream?.body.push(Buffer.from(bytes.subarray(start, end)));
  }

  onDataEnd(isEndStream: boolean): void {
    const stream = this.#stream!;
    stream.ended = isEndStream;
    this.#allow(this.#streamId, stream.receives.release(this.#length));
    this.#allow(0, this.receives.release(this.#length));
  }

  #allow(id: number, increment: number): void {
    if (increment > 0 && !this.mutesWindows)
      this.#write(WINDOW_UPDATE_FRAME, (out) => writeWindowUpdate(out, 0, id, increment));
  }

  onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEndStream: boolean): void {
    const stream = this.stream(streamId);
    stream.blocks.push(Buffer.from(bytes.subarray(start, end)));
    stream.ended = isEndStream;
  }

  onReset(streamId: number, code: number): void {
    this.stream(streamId).reset = nameOfHttp2Error(code);
  }

  onSetting(id: number, value: number): void {
    const before = this.settings.initialWindowSize;
    const error = this.settings.apply(id, value);
    if (error !== Http2Error.NoError) this.notes.push(`setting ${id} ${value}: ${nameOfHttp2Error(error)}`);
    if (id !== SettingId.InitialWindowSize) return;
    for (const { sends } of this.streams.values()) sends.grow(value - before);
  }

  onSettingsEnd(): void {
    if (!this.mutesSettings) this.#write(FRAME_HEAD, (out) => writeSettingsAck(out, 0));
  }

  onSettingsAck(): void {
    this.#roundTrip.answered();
    this.notes.push("settings ack");
  }

  onPing(bytes: Buffer, start: number): void {
    this.pings++;
    if (!this.mutesPings) this.#write(PING_FRAME, (out) => writePing(out, 0, bytes, start, true));
  }

  onPingAck(bytes: Buffer, start: number): void {
    this.notes.push(`ping ack ${bytes.toString("latin1", start, start + 8)}`);
  }

  onGoaway(lastStreamId: number, code: number, bytes: Buffer, start: number, end: number): void {
    this.notes.push(
      `goaway ${lastStreamId} ${nameOfHttp2Error(code)} ${bytes.toString("latin1", start, end)}`,
    );
  }

  onWindowUpdate(streamId: number, increment: number): void {
    const window = streamId === 0 ? this.#sends : this.stream(streamId).sends;
    if (!window.grow(increment)) this.notes.push(`window of ${streamId} too large`);
  }

  onPriorityUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    this.notes.push(`priority of ${streamId}: ${bytes.toString("latin1", start, end)}`);
  }

  onIgnoredFrame(type: number): void {
    this.notes.push(`ignored ${type}`);
  }

  onStreamError(streamId: number, _code: Http2Error, message: string): void {
    this.notes.push(`error on ${streamId}: ${message}`);
  }

  onConnectionError(_code: Http2Error, message: string): void {
    this.notes.push(`error: ${message}`);
  }
}
