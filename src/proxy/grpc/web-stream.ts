import { Base64Encoder } from "../../http/grpc/base64.ts";
import { isGrpc } from "../../http/grpc/grpc-content.ts";
import { GrpcStatus } from "../../http/grpc/grpc-status.ts";
import { MessageTracker } from "../../http/grpc/message-tracker.ts";
import { encodeWebTrailers } from "../../http/grpc/web-trailers.ts";
import type { BodyLength, ResponseHead } from "../../http/heads.ts";
import { HttpHeaders } from "../../http/http-headers.ts";
import type { ByteSink, ByteStream, DownstreamStream, Malformation } from "../../http/streams.ts";
import type { GrpcWebCors } from "./web-cors.ts";

/** What a client of gRPC-Web wants for an answer. */
export interface WebAnswer {
  /** Base64 text. */
  readonly isText: boolean;
  /** Null: pages of other origins aren't let in. */
  readonly cors: GrpcWebCors | null;
  /** Whose page it is that may read the answer across origins; null: nobody's. */
  readonly origin: string | null;
}

/**
 * The client of a gRPC-Web call as the relay sees it: one that speaks gRPC. What it is answered is translated on the way:
 *
 *     application/grpc ─────▶ application/grpc-web[-text]
 *     messages ─────────────▶ the same bytes, or their base64
 *     trailers ─────────────▶ one more message, marked as theirs
 *
 * Answers that are no gRPC go through as they are. One of gRPC that ends without a status gets the one that clients of gRPC
 * make of it: those of gRPC-Web take it for a good end.
 */
export class GrpcWebStream implements DownstreamStream {
  readonly #client: DownstreamStream;
  readonly #answer: WebAnswer;
  readonly #messages: MessageTracker = new MessageTracker();
  readonly #encoder: Base64Encoder | null;
  /** True while the answer is one of gRPC that has more than a head. */
  #translates = false;
  /** Whether the answer has to say yet how the call ended. */
  #owesStatus = false;

  constructor(client: DownstreamStream, answer: WebAnswer) {
    this.#client = client;
    this.#answer = answer;
    this.#encoder = answer.isText ? new Base64Encoder() : null;
  }

  get bytesReceived(): number {
    return this.#client.bytesReceived;
  }

  get bytesSent(): number {
    return this.#client.bytesSent;
  }

  get blocked(): boolean {
    return this.#client.blocked;
  }

  get requestComplete(): boolean {
    return this.#client.requestComplete;
  }

  sendInformational(head: ResponseHead): void {
    this.#client.sendInformational(head);
  }

  sendHead(head: ResponseHead, body: BodyLength, keepAlive: boolean): void {
    const { cors, origin, isText } = this.#answer;
    const isCall = isGrpc(head);
    if (isCall) {
      const type = head.headers.get("content-type")!.slice("application/grpc".length);
      head.headers.set("content-type", `application/grpc-web${isText ? "-text" : ""}${type}`);
    }
    if (origin !== null) cors?.allow(head.headers, origin);
    this.#translates = isCall && body !== 0 && body !== "none";
    this.#owesStatus = isCall && head.status === 200 && !head.headers.has("grpc-status");
    if (this.#owesStatus && !this.#translates) tellNoStatus(head.headers);
    this.#client.sendHead(head, this.#translates ? "unknown" : body, keepAlive);
  }

  sendBody(bytes: Buffer, start: number, end: number): void {
    if (!this.#translates) {
      this.#client.sendBody(bytes, start, end);
      return;
    }
    this.#messages.take(bytes, start, end);
    if (this.#encoder === null) this.#client.sendBody(bytes, start, end);
    // A message that is whole is waited for: its last bytes don't wait for the next one.
    else this.#sendText(this.#encoder.encode(bytes, start, end, this.#messages.isBetween));
  }

  #sendText(text: string): void {
    if (text !== "") this.#client.sendBody(Buffer.from(text, "latin1"), 0, text.length);
  }

  sendEnd(trailers: HttpHeaders | null): void {
    if (!this.#translates) this.#client.sendEnd(trailers);
    // In the middle of a message the trailers would be taken for its rest.
    else if (!this.#messages.isBetween) this.#client.abort();
    else {
      const told = this.#withStatus(trailers);
      if (told !== null) this.#sendTrailers(encodeWebTrailers(told));
      this.#client.sendEnd(null);
    }
  }

  #withStatus(trailers: HttpHeaders | null): HttpHeaders | null {
    if (!this.#owesStatus || trailers?.has("grpc-status") === true) return trailers;
    const told = trailers ?? new HttpHeaders();
    tellNoStatus(told);
    return told;
  }

  #sendTrailers(frame: Buffer): void {
    if (this.#encoder === null) this.#client.sendBody(frame, 0, frame.length);
    else this.#sendText(this.#encoder.encode(frame, 0, frame.length, true));
  }

  abort(): void {
    this.#client.abort();
  }

  reset(): void {
    this.#client.reset();
  }

  malform(how: Malformation): void {
    this.#client.malform(how);
  }

  pauseRequest(readsAhead?: boolean): void {
    this.#client.pauseRequest(readsAhead);
  }

  resumeRequest(): void {
    this.#client.resumeRequest();
  }

  toByteStream(sink: ByteSink): ByteStream {
    return this.#client.toByteStream(sink);
  }
}

function tellNoStatus(fields: HttpHeaders): void {
  fields.set("grpc-status", String(GrpcStatus.Unknown));
  fields.set("grpc-message", "The server told no status");
}
