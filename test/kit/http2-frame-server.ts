import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { type BlockKind, FieldBlock } from "../../src/http2/hpack/field-block.ts";
import { Pseudo } from "../../src/http2/hpack/field-kinds.ts";
import { HeaderDecoder } from "../../src/http2/hpack/header-decoder.ts";
import type { LocalSettings } from "../../src/http2/settings.ts";
import { literals, type Pair, pairsOf } from "./hpack.ts";
import { Http2Talk } from "./http2-talk.ts";
import { listen } from "./ports.ts";

/** One connection of a server that says whatever frames its test wants. */
export class FrameConnection extends Http2Talk {
  readonly #decoder = new HeaderDecoder();
  readonly #block = new FieldBlock();
  /** Method and path of each request, in the order in which they came. */
  readonly requests: string[] = [];
  /** All fields of each request. */
  readonly heads: (readonly Pair[])[] = [];

  /** Settles when the request with this index has come; its stream's number. */
  async request(index: number): Promise<number> {
    const id = index * 2 + 1;
    await this.until(() => this.streams.has(id) && this.stream(id).blocks.length > 0);
    return id;
  }

  override onHeaders(streamId: number, bytes: Buffer, start: number, end: number, isEnd: boolean): void {
    const kind = (this.streams.get(streamId)?.blocks.length ?? 0) > 0 ? 2 : 0;
    this.#decoder.decode(bytes, start, end, this.#block, kind as BlockKind);
    if (kind === 0) {
      this.heads.push(pairsOf(this.#block));
      this.requests.push(`${this.#block.pseudoText(Pseudo.Method)} ${this.#block.pseudoText(Pseudo.Path)}`);
    }
    super.onHeaders(streamId, bytes, start, end, isEnd);
  }

  /** The decoder's table may be so large from now on, as it was told to the other side. */
  limitTable(size: number): void {
    this.#decoder.limitTable(size);
  }

  respond(id: number, status: number, fields: readonly Pair[], isEnd: boolean): void {
    this.sendHeaders(id, literals([[":status", String(status)], ...fields]), isEnd);
  }

  /** A whole response. */
  async answer(id: number, body: string): Promise<void> {
    this.respond(id, 200, [], false);
    await this.sendBody(id, Buffer.from(body));
  }

  /** Answers all requests from this one on, each when all of it is there. */
  async answerAll(from: number = 0, body: string = "ok"): Promise<void> {
    for (let i = from; ; i++) {
      const id = await this.request(i);
      await this.until(() => this.stream(id).ended);
      await this.answer(id, body);
    }
  }
}

export type FrameScript = (connection: FrameConnection, index: number) => Promise<void> | void;

/** A server of frames: each connection is its script's, which gets its number from 0. */
export class FrameServer implements AsyncDisposable {
  readonly connections: FrameConnection[] = [];
  port = 0;
  readonly server: Server;

  /** @param settings what each connection is told first; null: nothing */
  constructor(script: FrameScript, settings?: LocalSettings | null) {
    this.server = createServer((socket) => {
      const connection = new FrameConnection("server", socket, settings);
      const index = this.connections.push(connection) - 1;
      Promise.resolve(script(connection, index)).catch((error: Error) => {
        connection.notes.push(error.message);
        socket.destroy();
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.connections) connection.close();
    const closed = once(this.server, "close");
    this.server.close();
    await closed;
  }
}

export async function startFrameServer(
  script: FrameScript,
  settings?: LocalSettings | null,
): Promise<FrameServer> {
  const server = new FrameServer(script, settings);
  server.port = await listen(server.server);
  return server;
}
