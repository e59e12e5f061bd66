import type { CertificateSource } from "./certificate-files.ts";
import type { Certificate } from "./pem-certificate.ts";
import type { TlsParameters } from "./tls-parameters.ts";

/** Which clients must show who they are, by files. Relative paths start at the working directory. */
export interface ClientCertificateFiles {
  /** "optional": a client may show none, but what it shows must be good. */
  readonly mode: "required" | "optional";
  /** PEM files: who may have signed a client's certificate. At least one. */
  readonly ca: readonly string[];
  /** PEM files of lists of what was revoked. With any, there must be one of every authority in the chain. */
  readonly crl: readonly string[];
}

/** Connections that are passed on unopened, by the name that their hello asks for. */
export interface TlsPassthrough {
  /** Host names, and wildcards of one label (`*.example.com`). */
  readonly names: readonly string[];
  /** Servers, as `parseAddress` takes them: one is tried after the other. At least one. */
  readonly upstreams: readonly string[];
}

/** What a listener wants of TLS. Plain data; what it is made of stands in files. Times in milliseconds. */
export interface TlsListenerSettings extends TlsParameters {
  /** The first one is for clients that ask for no name. */
  readonly certificates: readonly CertificateSource[];
  /** True: who asks for a name that no certificate is for is refused. False: it gets the first certificate. */
  readonly refusesUnknownNames: boolean;
  /** Null: clients aren't asked. */
  readonly clientCertificates: ClientCertificateFiles | null;
  /** For which a session can be taken up again, at most seven days; 0: never. */
  readonly sessionTimeout: number;
  /** After which session tickets are sealed with a new key; those of the two keys before it still open. 0: never. */
  readonly ticketRotation: number;
  /** From the connection to the end of the handshake. 0: no limit. */
  readonly handshakeTimeout: number;
  /** Handshakes under way at once, in each thread; others wait. 0: no limit. */
  readonly handshakes: number;
  /** Protocols to agree on, the best first; none when absent. TCP listeners only: others know what they speak. */
  readonly alpn?: readonly string[];
  /** What becomes of plain HTTP: a redirect to https, or 400. HTTP listeners only. */
  readonly plainHttp: "redirect" | "refuse";
  readonly passthrough: readonly TlsPassthrough[];
}

/** What a listener's files held last, and the keys of its session tickets; plain data, the same in all threads. */
export interface TlsMaterial {
  readonly certificates: readonly Certificate[];
  /** PEM: who may have signed a client's certificate. */
  readonly ca: readonly string[];
  /** PEM: what was revoked. */
  readonly crl: readonly string[];
  /** The key that seals, then those that still open. */
  readonly ticketKeys: readonly Uint8Array[];
}

/** Where a listener's material comes from: the main thread, or files that are read here. */
export interface TlsSource {
  /**
   * Reads what `settings` names, and looks out for changes until the signal says stop.
   * @param owner tells listeners apart; whoever asks for the same owner gets the same ticket keys, in whatever thread
   * @param onChange gets all of it again, whenever some of it changed
   * Rejects with a `CertificateError` when a file can't be used.
   */
  open(
    owner: string,
    settings: TlsListenerSettings,
    onChange: (material: TlsMaterial) => void,
  ): Promise<TlsMaterial>;
}
