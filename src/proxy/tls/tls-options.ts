import type { CertificateSource } from "../../net/tls/certificate-files.ts";
import type {
  ClientCertificateFiles,
  TlsListenerSettings,
  TlsPassthrough,
} from "../../net/tls/listener-settings.ts";
import { checkTlsParameters, type TlsParameters } from "../../net/tls/tls-parameters.ts";

/** Which clients must show who they are, by PEM files. */
export interface ClientCertificateOptions {
  /** "optional": a client may show none, but what it shows must be good. Default "required". */
  readonly mode?: "required" | "optional";
  /** Who may have signed a client's certificate. */
  readonly ca: string | readonly string[];
  /** Lists of what was revoked. With any, there must be one of every authority in the chain. */
  readonly crl?: string | readonly string[];
}

/** TLS towards clients, for a program: `{ cert, key }` is enough. Files are watched. Times in milliseconds. */
export interface TlsOptions extends TlsParameters {
  /** A PEM file: the certificate, then those that signed it, each after the one it signed. */
  readonly cert?: string;
  /** A PEM file with the private key. Default: it stands in the file of the certificate. */
  readonly key?: string;
  /** What the key is encrypted with. */
  readonly passphrase?: string;
  /** Instead of `cert`, or more of them: each is used for its names, the first for clients that ask for no name. */
  readonly certificates?: readonly CertificateSource[];
  /** Refuses clients that ask for a name that no certificate is for. Default false: they get the first one. */
  readonly refusesUnknownNames?: boolean;
  /** Which clients must show who they are. Default null: none is asked. */
  readonly clientCertificates?: ClientCertificateOptions | null;
  /** For which a client may take up a session again, at most seven days; 0: never. Default two hours. */
  readonly sessionTimeout?: number;
  /** After which session tickets get a new key; those of the two keys before it still count. 0: never. Default 12 h. */
  readonly ticketRotation?: number;
  /** From the connection to the end of the handshake; 0: no limit. Default 10 s. */
  readonly handshakeTimeout?: number;
  /** Handshakes under way at once, in each thread; others wait. 0: no limit. Default 1000. */
  readonly handshakes?: number;
  /** What those get who speak HTTP without TLS: a redirect to https, or 400. Default "redirect". */
  readonly plainHttp?: "redirect" | "refuse";
  /** Connections that are passed on unopened, by the name that the client asks for. */
  readonly passthrough?: readonly TlsPassthrough[];
}

const DEFAULTS: TlsListenerSettings = {
  certificates: [],
  refusesUnknownNames: false,
  clientCertificates: null,
  sessionTimeout: 7_200_000,
  ticketRotation: 43_200_000,
  handshakeTimeout: 10_000,
  handshakes: 1_000,
  plainHttp: "redirect",
  passthrough: [],
};

/**
 * What a program wants of TLS, with all that it leaves out.
 * @param hasCallback a program's callback may choose all certificates, so that there need be no file
 * @throws TypeError when there is no certificate, or nobody who may have signed clients'; RangeError when a parameter can't be used
 */
export function toTlsSettings(options: TlsOptions, hasCallback: boolean): TlsListenerSettings {
  const { cert, key = cert, passphrase, certificates = [], ...others } = options;
  const { clientCertificates = null, passthrough = [], ...rest } = others;
  const first = cert === undefined || key === undefined ? [] : [toSource(cert, key, passphrase)];
  if (first.length === 0 && (key ?? passphrase) !== undefined)
    throw new TypeError("tls has a key, but no certificate: cert is missing");
  const all = [...first, ...certificates];
  if (all.length === 0 && passthrough.length === 0 && !hasCallback)
    throw new TypeError("tls has no certificate: it needs cert and key, or certificates");
  checkTlsParameters(options);
  const clients = clientCertificates === null ? null : toFiles(clientCertificates);
  return { ...DEFAULTS, ...rest, certificates: all, clientCertificates: clients, passthrough };
}

function toFiles({ mode = "required", ca, crl = [] }: ClientCertificateOptions): ClientCertificateFiles {
  const files = { mode, ca: toList(ca), crl: toList(crl) };
  // To OpenSSL nobody means whoever the system trusts.
  if (files.ca.length === 0)
    throw new TypeError("tls.clientCertificates names no file with authorities: ca is empty");
  return files;
}

function toList(value: string | readonly string[]): readonly string[] {
  return typeof value === "string" ? [value] : value;
}

function toSource(cert: string, key: string, passphrase: string | undefined): CertificateSource {
  return passphrase === undefined ? { cert, key } : { cert, key, passphrase };
}
