import { constants, createHash } from "node:crypto";
import type { Socket } from "node:net";
import { createServer, type SecureContext, type Server, type TLSSocket } from "node:tls";
import type { CertificateSet } from "./certificate-index.ts";
import { digestOf, type TlsDigest } from "./digest.ts";
import type { TicketKeys } from "./ticket-keys.ts";
import { type TlsParameters, toNodeParameters } from "./tls-parameters.ts";

/** Which clients must show who they are. */
export interface ClientCertificates {
  /** "optional": a client may show none, but what it shows must be good. */
  readonly mode: "required" | "optional";
  /** PEM: who may have signed a client's certificate. */
  readonly ca: readonly string[];
  /** PEM: lists of what was revoked. With any, there must be one of every authority in the chain. */
  readonly crl?: readonly string[];
}

export interface ServerTlsSettings extends TlsParameters {
  /** Protocols to agree on, the best first. A client that offers none of them is refused. */
  readonly alpn: readonly string[];
  /** Null: clients aren't asked. */
  readonly clientCertificates: ClientCertificates | null;
  /** Seconds for which a session can be taken up again, by TLS 1.3 at most 604800; 0: never. Default 7200. */
  readonly sessionTimeout?: number;
}

/** Hears how a handshake ended. */
export interface HandshakeOwner {
  /** The name in the client's hello. */
  readonly serverName: string;
  onSecure(socket: TLSSocket, digest: TlsDigest): void;
  onHandshakeFailed(error: Error): void;
}

const DEFAULT_SESSION_TIMEOUT = 7_200;
/** Node's own limit can't be switched off; ours, which counts the whole handshake, comes before it. */
const NODE_TIMEOUT = 600_000;

/** On the socket beneath, to find who started its handshake. */
const OWNER = Symbol("owner");

type OwnedSocket = Socket & { [OWNER]?: HandshakeOwner | null };

/** Parts of Node's servers and sockets that have no public name. */
interface Internals {
  _sharedCreds: SecureContext;
  readonly _parent?: Socket;
}

/**
 * One certificate, or one of each type of key, with all that a listener wants of TLS. A `tls.Server` that never listens:
 * sockets are handed to it (its `'connection'` event is made for that), and Node's own rules about who is let in hold.
 */
export class ServerContext {
  readonly #server: Server;
  readonly #clients: ClientCertificates | null;

  /** @throws Error when OpenSSL refuses a certificate, an authority or a parameter */
  constructor(settings: ServerTlsSettings, keys: TicketKeys, set: CertificateSet) {
    this.#clients = settings.clientCertificates;
    this.#server = createServer({ ...toServerOptions(settings), ...toNodeCertificates(set) });
    keys.applyTo((this.#server as unknown as Internals)._sharedCreds);
    const status = statusOf(set);
    if (status !== null) this.#server.on("OCSPRequest", (_own, _issuer, answer) => answer(null, status));
    this.#server.on("secureConnection", (socket) => this.#onSecure(socket));
    this.#server.on("tlsClientError", (error, socket) => ownerOf(socket)?.onHandshakeFailed(error));
  }

  /** Hands every secret of its connections to `write`, as lines for the file that SSLKEYLOGFILE names. */
  logKeys(write: (line: Buffer) => void): void {
    this.#server.on("keylog", write);
  }

  /** Shakes hands over `raw`, in whose buffer all that was read of the client must be. */
  accept(raw: Socket, owner: HandshakeOwner): void {
    (raw as OwnedSocket)[OWNER] = owner;
    // Whoever ends during the handshake has left. The TLS socket takes this over, until the handshake is done.
    raw.allowHalfOpen = false;
    this.#server.emit("connection", raw);
  }

  #onSecure(socket: TLSSocket): void {
    const owner = ownerOf(socket);
    forgetOwner(socket);
    if (owner === null) {
      socket.destroy();
      return;
    }
    socket.allowHalfOpen = true;
    const digest = digestOf(socket, owner.serverName, this.#clients !== null);
    const problem = problemOf(socket, digest);
    if (problem === null) owner.onSecure(socket, digest);
    else {
      owner.onHandshakeFailed(new Error(`The client's certificate is refused: ${problem}`));
      socket.destroy();
    }
  }
}

/** Why the client isn't let in, in spite of its handshake; null: it is. */
function problemOf(socket: TLSSocket, { peerCertificate, resumed }: TlsDigest): string | null {
  if (peerCertificate === null) return null;
  // To Node "optional" also means that a bad certificate is as good as none.
  if (!socket.authorized) return String(socket.authorizationError);
  // Who takes up a session isn't looked at again, and sessions may count for longer than the certificate does.
  const isOver = resumed && peerCertificate.x509.validToDate.getTime() < Date.now();
  return isOver ? "it has expired since the session began" : null;
}

function ownerOf(socket: TLSSocket): HandshakeOwner | null {
  return (carrierOf(socket) as OwnedSocket | undefined)?.[OWNER] ?? null;
}

/** What a handshake needed isn't kept for as long as its connection stands. */
function forgetOwner(socket: TLSSocket): void {
  const raw = carrierOf(socket) as OwnedSocket | undefined;
  if (raw !== undefined) raw[OWNER] = null;
}

/** The socket beneath a TLS socket. */
function carrierOf(socket: TLSSocket): Socket | undefined {
  return (socket as unknown as Internals)._parent;
}

function toNodeCertificates({ certificates }: CertificateSet): { cert: string[]; key: string[] } {
  return { cert: certificates.map((one) => one.chain), key: certificates.map((one) => one.key) };
}

/** Which of several certificates is sent is settled after the status has to be; the wrong one's would be worse than none. */
function statusOf({ certificates }: CertificateSet): Buffer | null {
  const [only, ...others] = certificates;
  const status = only?.status ?? null;
  return others.length > 0 || status === null ? null : Buffer.from(status);
}

function toServerOptions(settings: ServerTlsSettings): object {
  const { alpn, clientCertificates: clients, sessionTimeout = DEFAULT_SESSION_TIMEOUT } = settings;
  return {
    ...toNodeParameters(settings),
    honorCipherOrder: false,
    handshakeTimeout: NODE_TIMEOUT,
    sessionIdContext: sessionIdContext(clients),
    ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
    ...(sessionTimeout > 0 ? { sessionTimeout } : {}),
    // HTTP/2 forbids to negotiate anew (RFC 9113 §9.2.1), and nobody else needs it; each time costs a handshake.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (sessionTimeout > 0 ? 0 : constants.SSL_OP_NO_TICKET),
    ...(clients === null ? {} : toClientOptions(clients)),
  };
}

function toClientOptions({ mode, ca, crl = [] }: ClientCertificates): object {
  return {
    requestCert: true,
    rejectUnauthorized: mode === "required",
    ca: [...ca],
    ...(crl.length === 0 ? {} : { crl: [...crl] }),
  };
}

/**
 * Sessions are taken up again only where the same clients are let in: a session isn't asked for its certificate again, so
 * one that began under other rules, or before a certificate was revoked, would get past them.
 */
function sessionIdContext(clients: ClientCertificates | null): string {
  return createHash("sha256").update(JSON.stringify(clients)).digest("hex").slice(0, 32);
}
