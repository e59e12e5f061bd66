import type { ProxyError } from "../../src/base/errors.ts";
import { RequestHead } from "../../src/http/heads.ts";
import { Http2ClientConnection, type Http2ConnectionKeeper } from "../../src/http2/client-connection.ts";
import { Http2ClientOptions, type Http2ClientSettings } from "../../src/http2/client-options.ts";
import type { Http2ClientStream } from "../../src/http2/client-stream.ts";
import type { LocalSettings } from "../../src/http2/settings.ts";
import { connectTo } from "../../src/net/connect.ts";
import type { Transport } from "../../src/net/transport.ts";
import { until } from "./deadline.ts";
import { Outcome, type RequestOptions } from "./http1-client.ts";
import {
  type FrameConnection,
  type FrameScript,
  type FrameServer,
  startFrameServer,
} from "./http2-frame-server.ts";

/** One request, and what comes of it. */
export interface SentRequest {
  readonly stream: Http2ClientStream;
  readonly outcome: Outcome;
}

/** A connection of the proxy's to a server of frames, without the pool and the relay around it. */
export class Http2Upstream implements Http2ConnectionKeeper, AsyncDisposable {
  readonly connection: Http2ClientConnection;
  readonly server: FrameServer;
  /** Why the connection is gone. */
  lost: ProxyError | null = null;
  roomChanges = 0;

  private constructor(server: FrameServer, transport: Transport, options: Http2ClientOptions) {
    this.server = server;
    this.connection = new Http2ClientConnection(transport, options, this);
  }

  static async start(
    script: FrameScript,
    settings: Partial<Http2ClientSettings> = {},
    first?: LocalSettings | null,
  ): Promise<Http2Upstream> {
    const server = await startFrameServer(script, first);
    const options = new Http2ClientOptions(settings);
    const { promise, resolve } = Promise.withResolvers<void>();
    const address = { kind: "tcp", host: "127.0.0.1", port: server.port } as const;
    const transport = connectTo(address, {}, IGNORING, resolve);
    await promise;
    return new Http2Upstream(server, transport, options);
  }

  /** The server's end. */
  get far(): FrameConnection {
    return this.server.connections[0]!;
  }

  onRoomChanged(): void {
    this.roomChanges++;
  }

  onClosed(_connection: Http2ClientConnection, error: ProxyError): void {
    this.lost = error;
  }

  /** Begins a request, with all of its body unless it is longer than what is given. */
  send(options: RequestOptions = {}): SentRequest {
    return this.sendOn(this.connection.takeStream(), options);
  }

  /** The same on a stream that was given out before. */
  sendOn(stream: Http2ClientStream, options: RequestOptions): SentRequest {
    const { method = "GET", target = "/", body = "", upgrade = null } = options;
    const length = options.length ?? (body === "" ? "none" : body.length);
    const outcome = new Outcome();
    stream.begin(outcome);
    const head = RequestHead.from({ method, target, headers: { Host: "a" } });
    stream.sendHead(head, length, { lines: "", dropped: 0, upgrade, accept: null });
    const bytes = Buffer.from(body, "latin1");
    if (bytes.length > 0) stream.sendBody(bytes, 0, bytes.length);
    if (length === "none" || length === bytes.length) stream.sendEnd(options.trailers ?? null);
    return { stream, outcome };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.connection.transport.destroy();
    await until("the connection is closed", () => this.lost !== null);
    await this.server[Symbol.asyncDispose]();
  }
}

const IGNORING = {
  onData(): void {},
  onEnd(): void {},
  onBlocked(): void {},
  onDrain(): void {},
  onClose(): void {},
};
