import { createHash } from "node:crypto";
import type { Address } from "../net/address.ts";
import type { CertificateSource } from "../net/tls/certificate-files.ts";
import type { IdentitySettings } from "../net/tls/server-identity.ts";
import { TlsClient, type TlsClientSettings } from "../net/tls/tls-client.ts";
import type { TlsParameters } from "../net/tls/tls-parameters.ts";

/**
 * How TLS is spoken with a server, and by what it is known to be the right one. Plain data. With nothing said, the certificate
 * has to be signed by one of Node's authorities and be for the address's host.
 */
export interface PeerTlsOptions extends TlsParameters, IdentitySettings {
  /** PEM: who may have signed the server's certificate, instead of Node's list of authorities. */
  readonly ca?: string | readonly string[];
  /** @internal the files that `ca` came from: new connections use what these hold then. Default: it doesn't change. */
  readonly caFiles?: readonly string[];
  /** PEM: the certificate with its chain, and its key, for servers that ask who we are. Default: none. */
  readonly identity?: {
    readonly chain: string;
    readonly key: string;
    /** @internal the files that it came from: new connections use what these hold then. Default: it doesn't change. */
    readonly source?: CertificateSource;
  };
  /** Whether earlier sessions with the server are taken up again, which spares a look at certificates. Default true. */
  readonly resumes?: boolean;
}

/** What is verified of a server at `address` unless its settings say otherwise; "" on a Unix socket, which has no name. */
export function hostToVerify(address: Address): string {
  return address.kind === "unix" ? "" : address.host || "localhost";
}

/** What a handshake offers to speak, the best first (ALPN). */
export type Protocols = readonly string[];

export const HTTP1_ONLY: Protocols = ["http/1.1"];
export const HTTP2_ONLY: Protocols = ["h2"];
export const EITHER: Protocols = ["h2", "http/1.1"];
/** Bytes of any kind. */
export const UNNAMED: Protocols = [];

/** Sets of settings whose contexts and sessions a thread keeps: programs may make up names for ever. */
const MOST_CLIENTS = 1024;

const clients = new Map<string, TlsClient>();

/** What files hold that settings came from. */
export interface RenewedTls {
  readonly settings: Pick<TlsClientSettings, "ca" | "identity">;
  /** Another one for other settings. */
  readonly digest: string;
}

/** What a thread's connections to servers with TLS have in common. */
export const tlsMeans: {
  /** Gets every secret, as lines for the file that SSLKEYLOGFILE names; null: nobody does. */
  keyLog: ((line: Buffer) => void) | null;
  /** What files hold now, by what they are called. */
  readonly renewed: Map<string, RenewedTls>;
} = { keyLog: null, renewed: new Map() };

const IDENTITY = "certificate for servers";
const AUTHORITIES = "authorities of servers";

/** What the files of a certificate for servers are called. */
export function identitySource({ cert, key }: CertificateSource): string {
  return `${IDENTITY} ${cert === key ? cert : `${cert} ${key}`}`;
}

/** What files with authorities of servers are called. */
export function authoritiesSource(files: readonly string[]): string {
  return `${AUTHORITIES} ${files.join(" ")}`;
}

/** Whether something is called as files are that the TLS of peers came from. */
export function isPeerSource(owner: string): boolean {
  return owner.startsWith(`${IDENTITY} `) || owner.startsWith(`${AUTHORITIES} `);
}

/** A peer's TLS: what tells it from that of others, and who shakes hands by it. */
export class PeerTls {
  /** Equal for equal settings only. Certificates and keys stand in it as digests. */
  readonly key: string;
  readonly #settings: TlsClientSettings;
  /** Where newer settings may be found. */
  readonly #sources: readonly string[];

  constructor(options: PeerTlsOptions) {
    const { ca, caFiles, identity, ...others } = options;
    const authorities = ca === undefined ? null : typeof ca === "string" ? [ca] : [...ca];
    this.#settings = {
      ...others,
      ...(authorities === null ? {} : { ca: authorities }),
      ...(identity === undefined ? {} : { identity: { chain: identity.chain, key: identity.key } }),
    };
    this.#sources = [
      ...(identity?.source === undefined ? [] : [identitySource(identity.source)]),
      ...(caFiles === undefined ? [] : [authoritiesSource(caFiles)]),
    ];
    this.key = JSON.stringify({
      ...others,
      sources: this.#sources,
      ca: authorities?.map(digestOf),
      identity: identity && [digestOf(identity.chain), digestOf(identity.key)],
    });
  }

  /**
   * There is one for each set of settings, so that its sessions are found again.
   * @throws Error when OpenSSL refuses a certificate, an authority or a parameter
   */
  clientFor(protocols: Protocols): TlsClient {
    const renewed = this.#sources.flatMap((source) => tlsMeans.renewed.get(source) ?? []);
    const key = [protocols.join(), this.key, ...renewed.map(({ digest }) => digest)].join(" ");
    const known = clients.get(key);
    if (known !== undefined) return known;
    const settings = Object.assign({}, this.#settings, ...renewed.map((one) => one.settings));
    const client = new TlsClient({ ...settings, alpn: protocols }, tlsMeans.keyLog);
    if (clients.size >= MOST_CLIENTS) dropOldest(clients);
    clients.set(key, client);
    return client;
  }
}

/** PEM texts that were digested: programs make peers for every request, of the same texts. */
const digests = new Map<string, string>();
const MOST_DIGESTS = 256;

function digestOf(pem: string): string {
  const known = digests.get(pem);
  if (known !== undefined) return known;
  const digest = createHash("sha256").update(pem).digest("base64");
  if (digests.size >= MOST_DIGESTS) dropOldest(digests);
  digests.set(pem, digest);
  return digest;
}

function dropOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) {
    map.delete(oldest);
    return;
  }
}
