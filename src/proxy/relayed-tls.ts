import { encodeTlsFields } from "../net/proxy-fields.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { ConnectionTls } from "./stream-proxy.ts";

/** What is known of the TLS of a connection that is relayed: opened here, or passed on as it is. */
export class RelayedTls {
  readonly #serverName: string;
  readonly #digest: TlsDigest | null;

  /** @param digest null when it isn't opened here */
  constructor(serverName: string, digest: TlsDigest | null) {
    this.#serverName = serverName;
    this.#digest = digest;
  }

  get state(): ConnectionTls {
    return { serverName: this.#serverName, version: this.#digest?.version ?? "" };
  }

  /** `TLSv1.3 for db.example.com`, `unopened for db.example.com` */
  toString(): string {
    const name = this.#serverName === "" ? "" : ` for ${this.#serverName}`;
    return `${this.#digest?.version ?? "unopened"}${name}`;
  }

  /** What servers are told of it by version 2 of the PROXY protocol. */
  get proxyFields(): Buffer {
    const digest = this.#digest;
    const session = digest && { ...digest, clientName: digest.peerCertificate?.commonName ?? null };
    return encodeTlsFields({ serverName: this.#serverName, session });
  }
}
