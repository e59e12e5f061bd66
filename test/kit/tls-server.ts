import { createServer, type Server, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { TimeoutQueue } from "../../src/base/timeouts.ts";
import type { ProxiedAddresses } from "../../src/net/proxy-protocol.ts";
import { CertificateIndex } from "../../src/net/tls/certificate-index.ts";
import type { ClientHello } from "../../src/net/tls/client-hello.ts";
import type { TlsDigest } from "../../src/net/tls/digest.ts";
import { HandshakeLimit } from "../../src/net/tls/handshake-limit.ts";
import { type Certificate, readCertificate } from "../../src/net/tls/pem-certificate.ts";
import { ServerContext, type ServerTlsSettings } from "../../src/net/tls/server-context.ts";
import { TicketKeys } from "../../src/net/tls/ticket-keys.ts";
import {
  TlsAcceptor,
  type TlsAcceptorListener,
  type TlsChoice,
  type TlsFailure,
} from "../../src/net/tls/tls-acceptor.ts";
import type { Identity } from "./certificates.ts";
import { until } from "./deadline.ts";
import { listen } from "./ports.ts";

/** A certificate as the server takes it. */
export function toCertificate({ cert, key }: Identity, status?: Uint8Array): Certificate {
  return readCertificate({ certFile: "test.pem", cert, keyFile: "test.key", key, status });
}

export function createServerContext(
  identities: readonly Identity[],
  settings: Partial<ServerTlsSettings> = {},
  keys: TicketKeys = new TicketKeys(),
): ServerContext {
  const { fallback } = new CertificateIndex(identities.map((one) => toCertificate(one)));
  return new ServerContext({ alpn: [], clientCertificates: null, ...settings }, keys, fallback!);
}

export interface TlsServerOptions {
  readonly choose: TlsAcceptorListener["choose"] | TlsChoice;
  /** What becomes of connections; they are echoed when absent. */
  readonly onSecure?: (socket: TLSSocket) => void;
  readonly onPassed?: (socket: Socket, bytes: Buffer) => void;
  readonly onPlainHttp?: (socket: Socket, bytes: Buffer) => void;
  readonly timeout?: number;
  readonly limit?: HandshakeLimit;
  readonly expectsProxyHeader?: boolean;
}

/** A listener whose connections go through a `TlsAcceptor`; it records what it hears. */
export class TlsServer implements AsyncDisposable, TlsAcceptorListener {
  port = 0;
  readonly digests: TlsDigest[] = [];
  readonly failures: TlsFailure[] = [];
  readonly sources: (string | null)[] = [];
  readonly server: Server;
  readonly #options: TlsServerOptions;
  readonly #sockets = new Set<Socket>();

  constructor(options: TlsServerOptions) {
    this.#options = options;
    const { timeout = 10_000, limit = new HandshakeLimit(0), expectsProxyHeader = false } = options;
    const acceptor = new TlsAcceptor({ timeout: new TimeoutQueue(timeout), limit, expectsProxyHeader }, this);
    this.server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true }, (socket) => {
      this.#sockets.add(socket);
      acceptor.accept(socket);
    });
  }

  choose(hello: ClientHello, socket: Socket): TlsChoice | PromiseLike<TlsChoice> {
    const { choose } = this.#options;
    return typeof choose === "function" ? choose(hello, socket) : choose;
  }

  onSecure(socket: TLSSocket, digest: TlsDigest, addresses: ProxiedAddresses | null): void {
    this.digests.push(digest);
    this.sources.push(addresses?.source.address ?? null);
    this.#sockets.add(socket);
    if (this.#options.onSecure !== undefined) this.#options.onSecure(socket);
    else socket.on("error", () => undefined).pipe(socket);
  }

  onPassed(socket: Socket, _hello: ClientHello, bytes: Buffer): void {
    this.#options.onPassed?.(socket, bytes);
  }

  onPlainHttp(socket: Socket, bytes: Buffer): void {
    this.#options.onPlainHttp?.(socket, bytes);
  }

  onFailed(failure: TlsFailure): void {
    this.failures.push(failure);
  }

  /** The first failure. */
  async failure(): Promise<TlsFailure> {
    await until("a handshake failed", () => this.failures.length > 0);
    return this.failures[0]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.resolve();
  }
}

export async function startTlsServer(options: TlsServerOptions): Promise<TlsServer> {
  const server = new TlsServer(options);
  server.port = await listen(server.server);
  return server;
}
