import { constants } from "node:crypto";
import type { Socket } from "node:net";
import {
  type ConnectionOptions,
  connect,
  createSecureContext,
  type SecureContext,
  type TLSSocket,
} from "node:tls";
import { digestOf } from "./digest.ts";
import { noteSecured } from "./secured-socket.ts";
import {
  checkNames,
  type ExpectedIdentity,
  expectIdentity,
  type IdentitySettings,
} from "./server-identity.ts";
import { type TlsParameters, toNodeParameters } from "./tls-parameters.ts";

export interface TlsClientSettings extends TlsParameters, IdentitySettings {
  /** PEM: who may have signed the server's certificate. Default: Node's list of authorities. */
  readonly ca?: readonly string[];
  /** What to show to servers that ask who we are. */
  readonly identity?: { readonly chain: string; readonly key: string };
  /** Protocols to agree on, the best first; none when absent. */
  readonly alpn?: readonly string[];
  /** Whether earlier sessions are taken up again, which spares a look at certificates. Default true. */
  readonly resumes?: boolean;
}

/** Hears how a handshake ended. */
export interface ClientHandshakeOwner {
  /** A transport can be made over `socket`. */
  onSecure(socket: TLSSocket): void;
  /** The connection is closed. */
  onHandshakeFailed(error: Error): void;
}

/** Addresses whose last session is kept. */
const MOST_SESSIONS = 256;

/**
 * Shakes hands with servers, by one set of settings. Sessions are kept here by address: as they are taken up without
 * a look at certificates, no other settings may find them.
 */
export class TlsClient {
  readonly settings: TlsClientSettings;
  readonly #context: SecureContext;
  readonly #sessions = new Map<string, Buffer>();
  readonly #keyLog: ((line: Buffer) => void) | null;

  /**
   * @param keyLog gets every secret, as lines for the file that SSLKEYLOGFILE names
   * @throws Error when OpenSSL refuses a certificate, an authority or a parameter
   */
  constructor(settings: TlsClientSettings, keyLog: ((line: Buffer) => void) | null = null) {
    const { ca, identity } = settings;
    this.settings = settings;
    this.#keyLog = keyLog;
    this.#context = createSecureContext({
      ...toNodeParameters(settings),
      // A server stays who it was when it was verified, and costs one handshake (RFC 9113 §9.2.1 wants that too).
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ...(ca === undefined ? {} : { ca: [...ca] }),
      ...(identity === undefined ? {} : { cert: identity.chain, key: identity.key }),
    });
  }

  /**
   * Starts a handshake over `raw`, which is connected and of which nothing was read.
   * @param host the address's host, "" on a Unix socket
   * @param key of the address: sessions are looked for by it
   * @returns to give the attempt up with: `destroy()`
   * @throws RangeError when there is no name to verify the server by
   */
  connect(raw: Socket, host: string, key: string, owner: ClientHandshakeOwner): TLSSocket {
    const expected = expectIdentity(this.settings, host);
    const socket = connect(this.#optionsFor(raw, expected, key));
    const fail = (error: unknown): void => {
      socket.off("error", fail).off("close", fail).off("secureConnect", succeed);
      this.#fail(socket, key, owner, error);
    };
    const succeed = (): void => {
      socket.off("error", fail).off("close", fail);
      noteSecured(socket, { carrier: raw, digest: digestOf(socket, expected.sni, true) });
      owner.onSecure(socket);
    };
    if (this.#keyLog !== null) socket.on("keylog", this.#keyLog);
    socket.on("session", (session) => this.#keep(key, session));
    socket.once("error", fail);
    socket.once("close", fail);
    socket.once("secureConnect", succeed);
    return socket;
  }

  #optionsFor(raw: Socket, { sni, names }: ExpectedIdentity, key: string): ConnectionOptions {
    const { verifyCertificate = true, alpn = [] } = this.settings;
    const session = this.#sessions.get(key);
    return {
      socket: raw,
      secureContext: this.#context,
      rejectUnauthorized: verifyCertificate,
      checkServerIdentity: (_name, certificate) => checkNames(names, certificate),
      ...(sni === "" ? {} : { servername: sni }),
      ...(alpn.length === 0 ? {} : { ALPNProtocols: [...alpn] }),
      ...(session === undefined ? {} : { session }),
    };
  }

  #fail(socket: TLSSocket, key: string, owner: ClientHandshakeOwner, error: unknown): void {
    socket.on("error", ignore).destroy();
    // It may have been the session that the server didn't like.
    this.#sessions.delete(key);
    const isTold = error instanceof Error;
    owner.onHandshakeFailed(
      isTold ? error : new Error("The server closed the connection during the handshake"),
    );
  }

  /** The last session of an address; that which was heard of longest ago makes room. */
  #keep(key: string, session: Buffer): void {
    if (this.settings.resumes === false) return;
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    if (this.#sessions.size <= MOST_SESSIONS) return;
    for (const oldest of this.#sessions.keys()) {
      this.#sessions.delete(oldest);
      return;
    }
  }
}

function ignore(): void {}
