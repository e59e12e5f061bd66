import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionOptions,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type SecureClientSessionOptions,
} from "node:http2";
import { withDeadline } from "./deadline.ts";

/** What a client got for a request. */
export interface Http2Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Statuses of the 1xx heads before it. */
  readonly informational: readonly number[];
  readonly body: Buffer;
  readonly trailers: IncomingHttpHeaders | null;
  /** The code of a reset, 0 for none. */
  readonly code: number;
}

/** A client of Node's: with prior knowledge, or by ALPN where the options are of TLS. */
export class Http2Client implements AsyncDisposable {
  readonly session: ClientHttp2Session;
  /** Codes of the GOAWAY that came. */
  readonly goaways: number[] = [];
  closed = false;

  constructor(port: number, options: ClientSessionOptions | SecureClientSessionOptions = {}) {
    const scheme = "ca" in options ? "https" : "http";
    this.session = connect(`${scheme}://127.0.0.1:${port}`, options);
    this.session.on("error", () => {});
    this.session.on("goaway", (code) => this.goaways.push(code));
    this.session.on("close", () => {
      this.closed = true;
    });
  }

  /** Begins a request, to which the caller listens. */
  open(headers: OutgoingHttpHeaders, endStream: boolean = false): ClientHttp2Stream {
    const stream = this.session.request(headers, { endStream });
    stream.on("error", () => {});
    return stream;
  }

  get(path: string, headers: OutgoingHttpHeaders = {}): Promise<Http2Answer> {
    return this.send({ ":path": path, ...headers }, null);
  }

  /** Sends a request and reads all of its answer, however it ends. */
  send(headers: OutgoingHttpHeaders, body: Buffer | string | null): Promise<Http2Answer> {
    const stream = this.open(headers, body === null);
    if (body !== null) stream.end(body);
    return readAnswer(stream);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.destroyed) return;
    const closed = once(this.session, "close");
    this.session.destroy();
    await closed;
  }
}

/** Reads the answer on a stream, however it ends. */
export async function readAnswer(stream: ClientHttp2Stream): Promise<Http2Answer> {
  let headers: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders | null = null;
  const informational: number[] = [];
  const pieces: Buffer[] = [];
  stream.on("headers", (head) => void informational.push(Number(head[":status"])));
  stream.on("response", (head) => {
    headers = head;
  });
  stream.on("trailers", (fields) => {
    trailers = fields;
  });
  stream.on("data", (piece: Buffer) => pieces.push(piece));
  const closed = new Promise<void>((resolve) => void stream.once("close", resolve));
  if (!stream.destroyed) await withDeadline(closed, 20_000, () => `the end of stream ${stream.id}`);
  const status = Number(headers[":status"] ?? 0);
  return { status, headers, informational, body: Buffer.concat(pieces), trailers, code: stream.rstCode ?? 0 };
}
