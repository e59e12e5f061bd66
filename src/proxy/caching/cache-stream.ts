import type { ByteStream, UpstreamSink, UpstreamStream } from "../../http/streams.ts";

/** A response that a cache sends, in the place of a server. Whatever of a request comes to it, the server has had, or needn't have. */
export abstract class CacheStream implements UpstreamStream {
  readonly reused = false;
  readonly mayRefuse = false;
  readonly blocked = false;
  readonly tls = null;

  abstract begin(sink: UpstreamSink): void;
  abstract pauseResponse(): void;
  abstract resumeResponse(): void;
  abstract abort(): void;

  dismiss(): void {
    this.abort();
  }

  sendHead(): void {}

  sendBody(): void {}

  sendEnd(): void {}

  toByteStream(): ByteStream {
    throw new Error("A response of a cache is no byte stream");
  }
}
