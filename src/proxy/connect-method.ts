import { ProxyError } from "../base/errors.ts";
import { ResponseHead } from "../http/heads.ts";
import { TransportByteStream } from "../http1/byte-stream.ts";
import { connectTo } from "../net/connect.ts";
import type { TransportHandler } from "../net/transport.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import type { Exchange } from "./exchange.ts";

/** Answers a CONNECT: a plain connection to the peer, and once it stands a 200 and a tunnel (RFC 9110 §9.3.6). */
export function openConnectTunnel<C>(exchange: Exchange<C>, peer: HttpPeer): void {
  const far = new FarEnd(exchange);
  const transport = connectTo(peer.address, { keepAlive: peer.keepAlive }, far, () => {
    if (exchange.isDone) {
      transport.destroy();
      return;
    }
    const head = ResponseHead.from({ status: 200 });
    exchange.session.response = head;
    exchange.downstream.sendHead(head, "none", true);
    exchange.openTunnel((sink) => {
      far.stream = new TransportByteStream(transport, sink);
      return far.stream;
    });
  });
}

/** The connection to the peer: until it stands an attempt, then one end of the tunnel. */
class FarEnd<C> implements TransportHandler {
  stream: TransportByteStream | null = null;
  readonly #exchange: Exchange<C>;

  constructor(exchange: Exchange<C>) {
    this.#exchange = exchange;
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.stream?.sink.onBytes(bytes, start, end);
  }

  onEnd(): void {
    this.stream?.sink.onBytesEnd();
  }

  onBlocked(): void {
    this.stream?.sink.onBytesBlocked();
  }

  onDrain(): void {
    this.stream?.sink.onBytesDrained();
  }

  onClose(error: Error | null): void {
    if (this.stream === null) this.#exchange.onConnectFailed(new ProxyError("UPSTREAM_CONNECT_FAILED", error?.message));
    else this.stream.sink.onBytesClosed(error);
  }
}
