import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { Counter, type Counters } from "../../base/counters.ts";
import { TimeoutQueue } from "../../base/timeouts.ts";
import type { ProxiedAddresses } from "../../net/proxy-protocol.ts";
import { type CertificateCallback, CertificateStore } from "../../net/tls/certificate-store.ts";
import type { ClientHello } from "../../net/tls/client-hello.ts";
import type { TlsDigest } from "../../net/tls/digest.ts";
import { HandshakeLimit } from "../../net/tls/handshake-limit.ts";
import type { TlsListenerSettings, TlsMaterial, TlsPassthrough } from "../../net/tls/listener-settings.ts";
import { NameTable } from "../../net/tls/name-table.ts";
import { securedSocket } from "../../net/tls/secured-socket.ts";
import type { ServerTlsSettings } from "../../net/tls/server-context.ts";
import { toServerPattern } from "../../net/tls/server-name.ts";
import { TicketKeys } from "../../net/tls/ticket-keys.ts";
import {
  TlsAcceptor,
  type TlsAcceptorListener,
  type TlsChoice,
  type TlsFailure,
} from "../../net/tls/tls-acceptor.ts";

export interface TlsTerminatorOptions {
  readonly settings: TlsListenerSettings;
  /** What the settings' files hold; `set` exchanges it. */
  readonly material: TlsMaterial;
  /** Protocols to agree on, the best first; empty: none is spoken of. */
  readonly alpn: readonly string[];
  /** Default false. True when each connection begins with a PROXY header, which comes before TLS. */
  readonly expectsProxyHeader?: boolean;
  /** Chooses certificates before the settings do. */
  readonly callback?: CertificateCallback | null;
  /** Gets the secrets of all connections. */
  readonly keyLog?: ((line: Buffer) => void) | null;
  /** Counts handshakes, and how they ended. */
  readonly counters?: Counters | null;
  /** Where connections are passed on to whose name nobody serves; null, which is the default: they are refused. */
  readonly others?: readonly string[] | null;
}

/**
 * Told what became of a connection: one of these, once for each. Addresses are those of a PROXY header; null without
 * one. A socket that is handed over in the clear has no reader, and `bytes` of it came already.
 */
export interface TlsTerminatorListener {
  /** A transport can be made over `socket`, which knows `digest` too. */
  onSecure(socket: TLSSocket, digest: TlsDigest, addresses: ProxiedAddresses | null): void;
  /** To be relayed unopened to one of `upstreams`. */
  onPassed(
    socket: Socket,
    hello: ClientHello,
    upstreams: readonly string[],
    bytes: Buffer,
    addresses: ProxiedAddresses | null,
  ): void;
  /** Somebody speaks HTTP without TLS. */
  onPlainHttp(socket: Socket, bytes: Buffer, addresses: ProxiedAddresses | null): void;
  /** The socket is closed, or being closed. Not called for those that `destroy` closes. */
  onFailed(failure: TlsFailure, socket: Socket): void;
}

/**
 * The TLS of one listener in one thread: accepted sockets go in, and secured ones come out.
 *
 *     accept ──▶ tls-acceptor ──┬─▶ onSecure
 *                 │   ▲         ├─▶ onPassed
 *           hello ▼   │ context ├─▶ onPlainHttp
 *           certificate-store   └─▶ onFailed
 *                 ▲
 *     set(material)             all at once; handshakes under way go on with what they began with
 */
export class TlsTerminator implements TlsAcceptorListener {
  readonly #options: TlsTerminatorOptions;
  readonly #listener: TlsTerminatorListener;
  readonly #keys: TicketKeys;
  readonly #passthrough: NameTable<readonly string[]>;
  readonly #acceptor: TlsAcceptor;
  readonly #counters: Counters | null;
  /** Sockets that aren't through yet. */
  readonly #underWay = new Set<Socket>();
  #store: CertificateStore;
  #material: TlsMaterial;
  #isDestroyed = false;

  /** @throws RangeError when a name is none; Error when OpenSSL refuses something of the material */
  constructor(options: TlsTerminatorOptions, listener: TlsTerminatorListener) {
    const { settings, material, expectsProxyHeader = false } = options;
    this.#options = options;
    this.#listener = listener;
    this.#counters = options.counters ?? null;
    this.#keys = new TicketKeys(material.ticketKeys);
    this.#passthrough = toTable(settings.passthrough);
    this.#material = material;
    this.#store = this.#createStore(material);
    this.#acceptor = new TlsAcceptor(
      {
        timeout: new TimeoutQueue(settings.handshakeTimeout),
        limit: new HandshakeLimit(settings.handshakes),
        expectsProxyHeader,
      },
      this,
    );
  }

  /** Connections whose handshake isn't done yet, those included that wait for their turn. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** True for a name whose connections are passed on unopened. */
  passes(serverName: string): boolean {
    return this.#passthrough.find(serverName) !== null;
  }

  /**
   * Exchanges certificates, authorities, revocations and ticket keys, from the next hello on.
   * @throws Error when OpenSSL refuses something; then all stays as it was
   */
  set(material: TlsMaterial): void {
    // Contexts are made for one set of authorities; only certificates can be exchanged within.
    if (hasSameRules(material, this.#material)) this.#store.set(material.certificates);
    else this.#store = this.#createStore(material);
    this.#keys.set(material.ticketKeys);
    this.#material = material;
  }

  #createStore(material: TlsMaterial): CertificateStore {
    const { settings, alpn, callback = null, keyLog = null } = this.#options;
    const store = new CertificateStore({
      settings: toServerSettings(settings, material, alpn),
      keys: this.#keys,
      refusesUnknownNames: settings.refusesUnknownNames,
      callback,
      keyLog,
    });
    store.set(material.certificates);
    return store;
  }

  /** Takes a socket that was accepted with `pauseOnConnect`, of which nothing was read yet. */
  accept(socket: Socket): void {
    this.#underWay.add(socket);
    this.#acceptor.accept(socket);
  }

  /** Closes what isn't through yet. */
  destroy(): void {
    this.#isDestroyed = true;
    for (const socket of this.#underWay) socket.destroy();
    this.#underWay.clear();
  }

  get #others(): readonly string[] | null {
    return this.#options.others ?? null;
  }

  // ── for the acceptor ───────────────────────────────────────────────────────────────────────────────────────────

  choose(hello: ClientHello): TlsChoice | PromiseLike<TlsChoice> {
    if (this.#passthrough.find(hello.serverName) !== null) return "pass";
    const choice = this.#store.choose(hello);
    return choice === "refuse" && this.#others !== null ? "pass" : choice;
  }

  onSecure(socket: TLSSocket, digest: TlsDigest, addresses: ProxiedAddresses | null): void {
    this.#underWay.delete(securedSocket(socket)!.carrier);
    this.#count(Counter.handshakes);
    if (digest.resumed) this.#count(Counter.handshakesResumed);
    if (this.#isDestroyed) socket.destroy();
    else this.#listener.onSecure(socket, digest, addresses);
  }

  onPassed(socket: Socket, hello: ClientHello, bytes: Buffer, addresses: ProxiedAddresses | null): void {
    this.#underWay.delete(socket);
    this.#count(Counter.tlsPassed);
    const upstreams = this.#passthrough.find(hello.serverName) ?? this.#others!;
    if (!this.#isDestroyed) this.#listener.onPassed(socket, hello, upstreams, bytes, addresses);
  }

  onPlainHttp(socket: Socket, bytes: Buffer, addresses: ProxiedAddresses | null): void {
    this.#underWay.delete(socket);
    this.#count(Counter.tlsPlainHttp);
    if (!this.#isDestroyed) this.#listener.onPlainHttp(socket, bytes, addresses);
  }

  onFailed(failure: TlsFailure, socket: Socket): void {
    this.#underWay.delete(socket);
    if (this.#isDestroyed) return;
    this.#count(Counter.handshakeFailures);
    const counter = OF_FAILURES[failure.kind];
    if (counter !== null) this.#count(counter);
    this.#listener.onFailed(failure, socket);
  }

  #count(counter: Counter): void {
    this.#counters?.add(counter);
  }
}

/** What else is counted of failures, by kind. */
const OF_FAILURES: Readonly<Record<TlsFailure["kind"], Counter | null>> = {
  hello: Counter.handshakeBadHellos,
  "unknown-name": Counter.handshakeUnknownNames,
  handshake: null,
  choice: null,
  timeout: Counter.handshakeTimeouts,
  busy: Counter.handshakesTooMany,
  "proxy-header": null,
};

/** @throws RangeError when a name is none; of several entries for the same name the first counts */
function toTable(entries: readonly TlsPassthrough[]): NameTable<readonly string[]> {
  const byName = new Map<string, readonly string[]>();
  for (const { names, upstreams } of entries) {
    for (const name of names) {
      const pattern = toServerPattern(name);
      if (pattern === null) throw new RangeError(`"${name}" is no host name`);
      byName.getOrInsert(pattern, upstreams);
    }
  }
  return new NameTable(byName);
}

function hasSameRules(one: TlsMaterial, other: TlsMaterial): boolean {
  return JSON.stringify([one.ca, one.crl]) === JSON.stringify([other.ca, other.crl]);
}

function toServerSettings(
  settings: TlsListenerSettings,
  { ca, crl }: TlsMaterial,
  alpn: readonly string[],
): ServerTlsSettings {
  const { clientCertificates, sessionTimeout, minVersion, maxVersion, ciphers, groups } = settings;
  return {
    alpn,
    clientCertificates: clientCertificates === null ? null : { mode: clientCertificates.mode, ca, crl },
    // Less than a second is still "for a while", not "never".
    sessionTimeout: Math.ceil(sessionTimeout / 1000),
    ...(minVersion === undefined ? {} : { minVersion }),
    ...(maxVersion === undefined ? {} : { maxVersion }),
    ...(ciphers === undefined ? {} : { ciphers }),
    ...(groups === undefined ? {} : { groups }),
  };
}
