import { ProxyError, toProxyError } from "../base/errors.ts";
import { Deadline, type DeadlineOwner, type TimeoutQueue } from "../base/timeouts.ts";
import type { BodyLength, RequestHead, ResponseHead } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";
import type { RequestAdditions, UpstreamSink, UpstreamStream } from "../http/streams.ts";
import type { PendingStream, StreamCallback } from "../upstream/connect-attempt.ts";
import type { Connector } from "../upstream/connector.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { LengthCheck } from "./body-length.ts";
import { type BodySource, IncomingBody } from "./incoming-body.ts";
import { toBytes } from "./own-response.ts";
import { isIdempotent } from "./retries.ts";
import { WatchedAttempt } from "./watched-attempt.ts";

/** A request as it goes out. */
export interface OutgoingRequest {
  readonly peer: HttpPeer;
  readonly head: RequestHead;
  readonly length: BodyLength;
  /** Null: no body. Bytes can be sent again, what an iterable yields can't. */
  readonly body: Buffer | AsyncIterable<Uint8Array | string> | null;
  readonly signal: AbortSignal | null;
  /** Lines of the proxy's own. Default: none. */
  readonly additions?: RequestAdditions;
}

/** What an exchange stands on. */
export interface ExchangeMeans {
  readonly connector: Connector;
  /** How long a response may stand still because nobody reads it. */
  readonly unreadTimeout: TimeoutQueue;
}

const NO_ADDITIONS: RequestAdditions = { lines: "", dropped: 0, upgrade: null, accept: null };

/**
 * One request of the client with its response.
 *
 *     start ──▶ connect ──▶ send ──▶ head: `response` is kept ──▶ body ──▶ over
 *                  ▲          │
 *                  └──────────┘ once, when a connection that had been idle died before it answered
 */
export class ClientExchange
  extends WatchedAttempt
  implements UpstreamSink, StreamCallback, BodySource, DeadlineOwner
{
  /** Kept when the response's head is there. */
  readonly response: Promise<ResponseHead>;
  readonly body: IncomingBody = new IncomingBody(this);
  /** The response's trailers, once its body has ended. */
  trailers: HttpHeaders | null = null;
  /** True when the connection had carried a request before. */
  reused = false;
  readonly #request: OutgoingRequest;
  readonly #means: ExchangeMeans;
  readonly #answer = Promise.withResolvers<ResponseHead>();
  readonly #deadline: Deadline = new Deadline(this);
  #attempt: PendingStream | null = null;
  #connection: UpstreamStream | null = null;
  #answered = false;
  #over = false;
  #retried = false;
  #onDrained: (() => void) | null = null;

  constructor(request: OutgoingRequest, means: ExchangeMeans) {
    super();
    this.#request = request;
    this.#means = means;
    this.response = this.#answer.promise;
  }

  start(): void {
    const { peer, signal } = this.#request;
    if (signal?.aborted === true) {
      this.#fail(signal.reason);
      return;
    }
    signal?.addEventListener("abort", this.#onAbort, { once: true });
    if (!this.beginAttempt(peer)) {
      this.#refuse();
      return;
    }
    const idle = this.#means.connector.take(peer);
    if (idle !== null) this.#send(idle);
    else this.#connect();
  }

  #connect(): void {
    this.#attempt = this.#means.connector.openStream(this.#request.peer, this);
  }

  onStream(stream: UpstreamStream): void {
    this.#attempt = null;
    this.#send(stream);
  }

  onConnectFailed(error: ProxyError): void {
    this.#attempt = null;
    this.#fail(error);
  }

  // ── the request ────────────────────────────────────────────────────────────────────────────────────────────────

  #send(connection: UpstreamStream): void {
    const { head, length, body, additions = NO_ADDITIONS } = this.#request;
    this.#connection = connection;
    connection.begin(this);
    this.reused = connection.reused;
    connection.sendHead(head, length, additions);
    if (body !== null && !Buffer.isBuffer(body)) {
      void this.#stream(connection, body);
      return;
    }
    if (body !== null) connection.sendBody(body, 0, body.length);
    connection.sendEnd(null);
  }

  /** Sends pieces as they come, no faster than the server takes them. */
  async #stream(connection: UpstreamStream, body: AsyncIterable<Uint8Array | string>): Promise<void> {
    const check = new LengthCheck(this.#request.length);
    try {
      for await (const piece of body) {
        if (this.#connection !== connection) return;
        const bytes = toBytes(piece);
        if (!check.accepts(bytes.length)) throw new ProxyError("BODY_LENGTH_MISMATCH");
        connection.sendBody(bytes, 0, bytes.length);
        if (connection.blocked) await this.#whenDrained();
        if (this.#connection !== connection) return;
      }
      if (!check.isSatisfied) throw new ProxyError("BODY_LENGTH_MISMATCH");
      if (this.#connection === connection) connection.sendEnd(null);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #whenDrained(): Promise<void> {
    return new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  onUpstreamBlocked(): void {}

  onUpstreamDrained(): void {
    this.#onDrained?.();
    this.#onDrained = null;
  }

  // ── the response ───────────────────────────────────────────────────────────────────────────────────────────────

  onInformational(): void {}

  onResponseHead(head: ResponseHead): void {
    this.noteResponse(head.status);
    head.source.retain();
    this.#answered = true;
    this.#answer.resolve(head);
  }

  onResponseBody(bytes: Buffer, start: number, end: number): void {
    this.body.push(Buffer.from(bytes.subarray(start, end)));
  }

  onResponseEnd(trailers: HttpHeaders | null): void {
    this.#connection = null;
    this.endAttempt(null);
    this.#conclude();
    this.trailers = trailers;
    this.body.finish();
  }

  pause(): void {
    this.#connection?.pauseResponse();
    this.#means.unreadTimeout.set(this.#deadline);
  }

  resume(): void {
    this.#deadline.clear();
    this.#connection?.resumeResponse();
  }

  /** Gives the rest up; the connection isn't used again. */
  cancel(): void {
    this.endAttempt(null);
    this.#conclude();
    this.#drop();
  }

  // ── what goes wrong ────────────────────────────────────────────────────────────────────────────────────────────

  onUpstreamError(error: Error): void {
    this.#connection = null;
    this.onUpstreamDrained();
    const failure = toProxyError(error);
    if (this.#over) return;
    this.endAttempt(failure.retry === "untouched" ? null : failure);
    if (!this.#mayRetry(failure)) {
      this.#fail(failure);
      return;
    }
    this.#retried = true;
    if (this.beginAttempt(this.#request.peer)) this.#connect();
    else this.#refuse();
  }

  /** The server has no room, and there is no other one to choose here. */
  #refuse(): void {
    this.#fail(new ProxyError("UPSTREAM_OVERLOADED"));
  }

  /** A server may close an idle connection at any moment; a request that met such a one is sent again (RFC 9110 §9.2.2). */
  #mayRetry(error: ProxyError): boolean {
    const { head, body } = this.#request;
    const isReplayable = body === null || Buffer.isBuffer(body);
    if (this.#answered || this.#retried || !isReplayable) return false;
    if (error.retry === "untouched") return true;
    if (!this.reused) return false;
    return error.retry === "yes" || (error.retry === "reused" && isIdempotent(head.method));
  }

  readonly #onAbort = (): void => this.#fail(this.#request.signal?.reason);

  onDeadline(): void {
    this.#fail(new ProxyError("DOWNSTREAM_WRITE_TIMEOUT", "nobody read the response's body"));
  }

  #fail(reason: unknown): void {
    if (this.#over) return;
    // Whoever asked has given up, or what they wanted to send failed them.
    this.endAttempt(reason instanceof ProxyError ? reason : null);
    this.#conclude();
    this.#drop();
    if (this.#answered) this.body.fail(reason);
    else this.#answer.reject(reason);
  }

  #drop(): void {
    this.#attempt?.cancel();
    this.#attempt = null;
    this.#connection?.abort();
    this.#connection = null;
    this.onUpstreamDrained();
  }

  /** Nothing that still comes concerns this exchange. */
  #conclude(): void {
    this.#over = true;
    this.#deadline.clear();
    this.onUpstreamDrained();
    this.#request.signal?.removeEventListener("abort", this.#onAbort);
  }
}
