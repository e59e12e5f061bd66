import type { BodyLength, RequestHead, ResponseHead } from "./heads.ts";
import type { HttpHeaders } from "./http-headers.ts";

/**
 * The seam between protocols and the relay: a request or response is a head, borrowed pieces of body, perhaps trailers,
 * and an end. HTTP/1 connections and HTTP/2 streams both speak this, so there is one relay and not four.
 *
 * Pieces of body are borrowed: valid until the call returns.
 */

/** A byte stream after an upgrade or a CONNECT. */
export interface ByteStream {
  sink: ByteSink;
  send(bytes: Buffer, start: number, end: number): void;
  /** Ends our direction once everything is sent. */
  end(): void;
  /** Closes both directions at once, with a reset where there is one. */
  abort(): void;
  pause(): void;
  resume(): void;
  /** True while more is waiting to be sent than should be. */
  readonly blocked: boolean;
}

/** Who listens to a byte stream. */
export interface ByteSink {
  onBytes(bytes: Buffer, start: number, end: number): void;
  onBytesEnd(): void;
  onBytesBlocked(): void;
  onBytesDrained(): void;
  onBytesClosed(error: Error | null): void;
}

/**
 * How a response can break its protocol's rules on purpose, to see what a client makes of that: each protocol has its own
 * way to do it. `status-line`: its first line is none. `header`: one of its fields is none. `chunk`: the framing of its body
 * is broken. `length`: the length that it declares is no number.
 */
export type Malformation = "status-line" | "header" | "chunk" | "length";

/** What the relay says to the client of one request. */
export interface DownstreamStream {
  /** Bytes of the request's body received so far, and of the response's body sent. */
  readonly bytesReceived: number;
  readonly bytesSent: number;
  /** True while the client takes the response more slowly than it comes. */
  readonly blocked: boolean;
  /** True once all of the request has come in. */
  readonly requestComplete: boolean;
  /** Sends a 1xx head, to clients that understand it. */
  sendInformational(head: ResponseHead): void;
  /** Sends the final head. `keepAlive: false` asks for the connection to be closed after this response. */
  sendHead(head: ResponseHead, body: BodyLength, keepAlive: boolean): void;
  sendBody(bytes: Buffer, start: number, end: number): void;
  /** Ends the response. */
  sendEnd(trailers: HttpHeaders | null): void;
  /** Cuts the response off so that the client can't take it for a whole one. */
  abort(): void;
  /** Ends it with a reset, of the connection or of what the protocol has in its place. */
  reset(): void;
  /** The response whose head is sent next breaks the rules in this way. Nothing else follows on its connection. */
  malform(how: Malformation): void;
  /**
   * Stops and goes on handing over the request's body.
   * @param readsAhead true when that isn't because of a server that is slower: some of the body is read all the same, so
   * that a client that goes away is noticed
   */
  pauseRequest(readsAhead?: boolean): void;
  /** The request's body is one side of a conversation: it may stand still, and come as slowly as it likes. */
  allowPauses?(): void;
  resumeRequest(): void;
  /** After a 101 or an answered CONNECT: the connection as a plain byte stream. */
  toByteStream(sink: ByteSink): ByteStream;
}

/** What the relay hears from the client. */
export interface DownstreamSink {
  onRequestBody(bytes: Buffer, start: number, end: number): void;
  onRequestEnd(trailers: HttpHeaders | null): void;
  onDownstreamBlocked(): void;
  onDownstreamDrained(): void;
  /** The request can't be completed: the client went away or broke the rules. */
  onDownstreamError(error: Error): void;
}

/** What the relay says to the server for one request. */
export interface UpstreamStream {
  /** True when this connection had carried a request before the one that `begin` was called for. */
  readonly reused: boolean;
  /** True when the server can say that it did nothing with a request, which is then sent again, whatever its method. */
  readonly mayRefuse: boolean;
  readonly blocked: boolean;
  /** What is known of the connection's TLS (`TlsDigest`); null without. */
  readonly tls: object | null;
  /** Called first: who hears what comes of the request. */
  begin(sink: UpstreamSink): void;
  sendHead(head: RequestHead, body: BodyLength, additions: RequestAdditions): void;
  sendBody(bytes: Buffer, start: number, end: number): void;
  sendEnd(trailers: HttpHeaders | null): void;
  /** Gives the request up; the connection is not used again. */
  abort(): void;
  /** Nobody wants the response whose head has just come: the connection is used again if the rest of it is short. */
  dismiss(): void;
  pauseResponse(): void;
  resumeResponse(): void;
  toByteStream(sink: ByteSink): ByteStream;
}

/** What the relay hears from the server. */
export interface UpstreamSink {
  onInformational(head: ResponseHead): void;
  onResponseHead(head: ResponseHead): void;
  onResponseBody(bytes: Buffer, start: number, end: number): void;
  onResponseEnd(trailers: HttpHeaders | null): void;
  onUpstreamBlocked(): void;
  onUpstreamDrained(): void;
  onUpstreamError(error: Error): void;
}

/** What the proxy itself adds to a request on its way to the server. */
export interface RequestAdditions {
  /** Whole field lines, each ended by CRLF. */
  readonly lines: string;
  /** Bit `1 << id` for every `FieldId` that must not be copied because the lines replace it. */
  readonly dropped: number;
  /** Protocol of an upgrade to ask for, null for none. */
  readonly upgrade: string | null;
  /** What a 101 must say in `Sec-WebSocket-Accept`, where the client can't look for itself; null: whatever it likes. */
  readonly accept: string | null;
}
