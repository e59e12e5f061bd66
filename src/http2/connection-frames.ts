import { NOT_IN_TRAILERS } from "../http/field-bits.ts";
import { EMPTY_TABLE } from "../http/field-table.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { Transport } from "../net/transport.ts";
import { ConnectionOutput, type ConnectionOutputOwner } from "./connection-output.ts";
import type { Http2Error } from "./error-codes.ts";
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
} from "./frame-writer.ts";
import { FRAME_HEAD, FrameFlag } from "./frames.ts";
import { blockRoom, HeaderEncoder } from "./hpack/header-encoder.ts";
import { PeerSettings } from "./settings.ts";

/** Where the flags stand in the head of a frame. */
const FLAGS_AT = 4;

/** Writes the frames of one connection to where its output is gathered. */
export abstract class ConnectionFrames implements ConnectionOutputOwner {
  readonly transport: Transport;
  protected readonly output: ConnectionOutput;
  protected readonly peer: PeerSettings;
  protected readonly encoder: HeaderEncoder;
  #headersAt = 0;
  /** The stream of the DATA that was written last, as long as nothing follows: its end can still be put into it. */
  #lastData = 0;
  #lastFlags = 0;
  #lastEnd = 0;

  constructor(role: "server" | "client", transport: Transport) {
    this.transport = transport;
    this.output = new ConnectionOutput(transport, this);
    this.peer = new PeerSettings(role);
    // A server's responses are all for one client; to a server go the requests of many.
    this.encoder = new HeaderEncoder(undefined, role === "client");
  }

  abstract readonly expectsMore: boolean;

  /** Makes room to write. */
  protected reserve(bytes: number): ConnectionOutput {
    this.#lastData = 0;
    this.output.reserve(bytes);
    return this.output;
  }

  /** Closes the connection, with what was said last on its way. */
  protected shut(): void {
    this.output.flush();
    this.transport.destroy();
  }

  protected writeSettings(list: readonly (readonly [id: number, value: number])[]): void {
    const output = this.reserve(settingsSize(list.length));
    output.at = writeSettings(output.slab, output.at, list);
  }

  protected writeSettingsAck(): void {
    const output = this.reserve(FRAME_HEAD);
    output.at = writeSettingsAck(output.slab, output.at);
  }

  protected writeGoaway(lastStreamId: number, code: Http2Error, message: string): void {
    const output = this.reserve(goawaySize(message));
    output.at = writeGoaway(output.slab, output.at, lastStreamId, code, message);
  }

  protected writePingFrame(payload: Buffer, start: number, isAck: boolean): void {
    const output = this.reserve(PING_FRAME);
    output.at = writePing(output.slab, output.at, payload, start, isAck);
  }

  protected writeReset(streamId: number, code: Http2Error): void {
    const output = this.reserve(RESET_FRAME);
    output.at = writeReset(output.slab, output.at, streamId, code);
  }

  /** @param increment 0: there is nothing to say */
  protected writeWindowUpdate(streamId: number, increment: number): void {
    if (increment === 0) return;
    const output = this.reserve(WINDOW_UPDATE_FRAME);
    output.at = writeWindowUpdate(output.slab, output.at, streamId, increment);
  }

  /** Makes room for a header block of at most `room` bytes and begins it; it is to be encoded with `encoder`. */
  protected beginBlock(room: number): void {
    const output = this.reserve(headersSize(room, this.peer.maxFrameSize));
    this.#headersAt = output.at;
    this.encoder.begin(output.slab, output.at + FRAME_HEAD);
  }

  protected endBlock(streamId: number, isEndStream: boolean): void {
    const { output } = this;
    const end = this.encoder.end();
    const { maxFrameSize } = this.peer;
    output.at = closeHeaders(output.slab, this.#headersAt, end, streamId, isEndStream, maxFrameSize);
  }

  /** Always copied: a frame's head and its payload leave in one write, together with those of other streams. */
  protected writeData(streamId: number, bytes: Buffer, start: number, end: number): void {
    const output = this.reserve(FRAME_HEAD + end - start);
    this.#lastFlags = output.at + FLAGS_AT;
    const at = writeDataHead(output.slab, output.at, end - start, streamId, false);
    output.at = at + bytes.copy(output.slab, at, start, end);
    this.#lastData = streamId;
    this.#lastEnd = output.at;
  }

  /** Ends a stream: with trailers, in the DATA that was written last, or with DATA of its own. */
  protected writeEnd(streamId: number, trailers: HttpHeaders | null): void {
    if (trailers !== null && hasFields(trailers)) {
      const table = trailers.source.table();
      this.beginBlock(blockRoom(table, trailers, ""));
      this.encoder.fields(table, trailers, NOT_IN_TRAILERS);
      this.endBlock(streamId, true);
    } else if (this.#lastData === streamId && this.#lastEnd === this.output.at) {
      this.output.slab[this.#lastFlags]! |= FrameFlag.EndStream;
      this.#lastData = 0;
    } else {
      const output = this.reserve(FRAME_HEAD);
      output.at = writeDataHead(output.slab, output.at, 0, streamId, true);
    }
  }
}

function hasFields(headers: HttpHeaders): boolean {
  return headers.added !== null || headers.source.table() !== EMPTY_TABLE;
}
