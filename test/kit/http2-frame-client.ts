import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { BlockKind, FieldBlock } from "../../src/http2/hpack/field-block.ts";
import { HeaderDecoder } from "../../src/http2/hpack/header-decoder.ts";
import { literals, type Pair } from "./hpack.ts";
import { Http2Talk } from "./http2-talk.ts";

/** A client that may send any frames. */
export class FrameClient extends Http2Talk implements AsyncDisposable {
  readonly socket: Socket;
  /** Statuses of the heads that came on each stream. */
  readonly statuses: Map<number, number[]> = new Map();
  closed = false;
  readonly #decoder = new HeaderDecoder();
  readonly #block = new FieldBlock();

  constructor(socket: Socket) {
    super("client", socket);
    this.socket = socket;
    socket.once("close", () => {
      this.closed = true;
    });
  }

  /** Sends a request's header block; fields without a colon in front follow the usual pseudo-header fields. */
  request(id: number, isEnd: boolean, fields: readonly Pair[] = []): void {
    const pseudo = fields.some(([name]) => name.startsWith(":")) ? [] : USUAL;
    this.sendHeaders(id, literals([...pseudo, ...fields]), isEnd);
  }

  override onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    this.#decoder.decode(bytes, start, end, this.#block, BlockKind.Response);
    const statuses = this.statuses.get(streamId) ?? [];
    this.statuses.set(streamId, [...statuses, this.#block.status]);
    super.onHeaders(streamId, bytes, start, end, isEnd);
  }

  override forget(): void {
    super.forget();
    this.statuses.clear();
  }

  /** The status of the response on this stream. */
  async statusOf(id: number): Promise<number> {
    await this.until(() => this.statuses.has(id));
    return this.statuses.get(id)!.at(-1)!;
  }

  /** The GOAWAY that was heard last, as its code and its explanation; "" for none. */
  get goaway(): string {
    return this.notes.findLast((note) => note.startsWith("goaway"))?.replace(/^goaway \d+ /, "") ?? "";
  }

  /** How the stream ended: `end`, the code of its reset, or "" while it didn't. */
  endOf(id: number): string {
    const stream = this.streams.get(id);
    if (stream?.reset !== null && stream !== undefined) return stream.reset;
    return stream?.ended === true ? "end" : "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.destroyed) return;
    const closed = once(this.socket, "close");
    this.close();
    await closed;
  }
}

const USUAL: readonly Pair[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":authority", "example.com"],
  [":path", "/"],
];

/** The same for a request with a body. */
export const POST: readonly Pair[] = [[":method", "POST"], ...USUAL.slice(1)];

export async function connectFrames(port: number): Promise<FrameClient> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  return new FrameClient(socket);
}
