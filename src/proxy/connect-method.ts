import { ProxyError } from "../base/errors.ts";
import { ResponseHead } from "../http/heads.ts";
import type { ByteSink, ByteStream, UpstreamSink, UpstreamStream } from "../http/streams.ts";
import { TransportByteStream } from "../http1/byte-stream.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import { WriteWatch, type WriteWatchOwner } from "../net/write-watch.ts";
import type { HttpPeer } from "../upstream/peer.ts";

/**
 * A plain connection as the server of a CONNECT (RFC 9110 §9.3.6): that it stands is the good answer, and what follows
 * are the tunnel's bytes. It isn't read before the tunnel is there.
 */
export class ConnectStream implements UpstreamStream, TransportHandler, WriteWatchOwner {
  readonly reused = false;
  readonly mayRefuse = false;
  readonly #transport: Transport;
  readonly #watch: WriteWatch;
  #sink: UpstreamSink | null = null;
  #stream: TransportByteStream | null = null;

  constructor(transport: Transport, peer: HttpPeer) {
    this.#transport = transport;
    this.#watch = new WriteWatch(transport, peer.client.writeTimeout, this);
    transport.handler = this;
    transport.pause();
  }

  get blocked(): boolean {
    return this.#transport.blocked;
  }

  get tls(): TlsDigest | null {
    return this.#transport.tls;
  }

  begin(sink: UpstreamSink): void {
    this.#sink = sink;
  }

  sendHead(): void {
    this.#sink?.onResponseHead(ResponseHead.from({ status: 200 }));
  }

  toByteStream(sink: ByteSink): ByteStream {
    this.#sink = null;
    this.#stream = new TransportByteStream(this.#transport, sink);
    this.#transport.resume();
    return this.#stream;
  }

  abort(): void {
    this.#sink = null;
    this.#transport.destroy();
  }

  dismiss(): void {
    this.abort();
  }

  // A CONNECT has no body, and nothing is read before the tunnel stands.
  sendBody(): void {}
  sendEnd(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}

  onData(bytes: Buffer, start: number, end: number): void {
    this.#stream?.sink.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.#stream?.sink.onBytesEnd();
  }

  onBlocked(): void {
    this.#watch.start();
    this.#stream?.sink.onBytesBlocked();
  }

  onDrain(): void {
    this.#watch.stop();
    this.#stream?.sink.onBytesDrained();
  }

  onStuck(): void {
    this.#transport.reset();
  }

  onClose(error: Error | null): void {
    this.#watch.stop();
    this.#stream?.sink.onBytesClosed(error);
    const cause = error === null ? {} : { cause: error };
    this.#sink?.onUpstreamError(new ProxyError("UPSTREAM_CLOSED", error?.message, cause));
  }
}
