import { isThenable } from "../../base/errors.ts";
import { CertificateIndex, type CertificateSet, identityOf } from "./certificate-index.ts";
import type { ClientHello } from "./client-hello.ts";
import { type Certificate, readCertificate } from "./pem-certificate.ts";
import { ServerContext, type ServerTlsSettings } from "./server-context.ts";
import type { TicketKeys } from "./ticket-keys.ts";

/** A certificate with its key, as a program hands it out: PEM texts. */
export interface OwnCertificate {
  /** The certificate, then those that signed it, each after the one it signed. */
  readonly cert: string;
  readonly key: string;
  readonly passphrase?: string;
}

/**
 * A program's own answer to a client's hello; null: whatever is configured. The same object should come again for the same
 * certificate, for making one ready costs a millisecond.
 * @param serverName the name that the client asks for, in lower case; "" for none
 * @param alpn the protocols that it offers
 */
export type CertificateCallback = (
  serverName: string,
  alpn: readonly string[],
) => OwnCertificate | null | PromiseLike<OwnCertificate | null>;

export interface CertificateStoreOptions {
  readonly settings: ServerTlsSettings;
  readonly keys: TicketKeys;
  /** True: who asks for a name that no certificate is for is refused. False: it gets the first certificate. */
  readonly refusesUnknownNames: boolean;
  /** Asked before the store looks by itself. */
  readonly callback?: CertificateCallback | null;
  /** Gets the secrets of all connections. */
  readonly keyLog?: ((line: Buffer) => void) | null;
}

/** A thread's contexts by name. They can be exchanged at any time: handshakes that began go on with what they have. */
export class CertificateStore {
  readonly #options: CertificateStoreOptions;
  #index: CertificateIndex = new CertificateIndex([]);
  /** By what they are made of, so that what hasn't changed is kept. */
  #contexts: ReadonlyMap<string, ServerContext> = new Map();
  readonly #own = new WeakMap<OwnCertificate, ServerContext>();

  constructor(options: CertificateStoreOptions) {
    this.#options = options;
  }

  /**
   * Replaces all certificates, from the next hello on. The first one is for clients that ask for no name.
   * @throws Error when OpenSSL refuses one of them; then all stays as it was
   */
  set(certificates: readonly Certificate[]): void {
    const index = new CertificateIndex(certificates);
    const contexts = new Map<string, ServerContext>();
    for (const set of index.sets) {
      const identity = identityOf(set);
      contexts.set(identity, this.#contexts.get(identity) ?? this.#create(set));
    }
    this.#index = index;
    this.#contexts = contexts;
  }

  /**
   * For `TlsAcceptor`.
   * @throws Error when the program's callback does, or what it returns can't be used
   */
  choose({
    serverName,
    alpn,
  }: ClientHello): ServerContext | "refuse" | PromiseLike<ServerContext | "refuse"> {
    const own = this.#options.callback?.(serverName, alpn) ?? null;
    if (own === null) return this.#find(serverName);
    return isThenable(own) ? own.then((one) => this.#wrap(one, serverName)) : this.#wrap(own, serverName);
  }

  #find(serverName: string): ServerContext | "refuse" {
    const isRefused = this.#options.refusesUnknownNames && serverName !== "";
    const set = this.#index.find(serverName) ?? (isRefused ? null : this.#index.fallback);
    return set === null ? "refuse" : this.#contexts.get(identityOf(set))!;
  }

  #wrap(own: OwnCertificate | null | undefined, serverName: string): ServerContext | "refuse" {
    if (own === null || own === undefined) return this.#find(serverName);
    return this.#own.getOrInsertComputed(own, () => this.#create({ certificates: [readOwn(own)] }));
  }

  #create(set: CertificateSet): ServerContext {
    const { settings, keys, keyLog = null } = this.#options;
    const context = new ServerContext(settings, keys, set);
    if (keyLog !== null) context.logKeys(keyLog);
    return context;
  }
}

/** @throws CertificateError when certificate and key don't belong together */
function readOwn({ cert, key, passphrase }: OwnCertificate): Certificate {
  const origin = "the program's certificate";
  return readCertificate({ certFile: origin, cert, keyFile: "the program's key", key, passphrase });
}
