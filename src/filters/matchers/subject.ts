import type { RequestHead } from "../../http/heads.ts";
import type { PeerCertificate } from "../../net/tls/digest.ts";
import type { Session } from "../../proxy/session.ts";
import { canonicalHost } from "../canonical-host.ts";
import type { ClientAddresses } from "../client-addresses.ts";

/**
 * A request as matchers see it. One object serves a whole route table, since matching is synchronous; what only some
 * matchers ask for is worked out when the first one asks.
 */
export class Subject {
  request!: RequestHead;
  /** The reading of the path that is being looked at. */
  path = "";
  readonly #clients: ClientAddresses;
  #session!: Session<unknown>;
  #host: string | null = null;
  #client: string | null = null;
  #query: URLSearchParams | null = null;
  /** Clients of one site send one Host: comparing it is cheaper than bringing it into its canonical form again. */
  #lastHost = "";
  #lastCanonical = "";

  constructor(clients: ClientAddresses) {
    this.#clients = clients;
  }

  begin(session: Session<unknown>): void {
    this.#session = session;
    this.request = session.request;
    this.#host = null;
    this.#client = null;
    this.#query = null;
  }

  /** The host that was asked for, in lower case, without port. */
  get host(): string {
    if (this.#host !== null) return this.#host;
    const { host } = this.request;
    if (host !== this.#lastHost) {
      this.#lastHost = host;
      this.#lastCanonical = canonicalHost(host);
    }
    this.#host = this.#lastCanonical;
    return this.#host;
  }

  /** The client's address, as far as trusted proxies vouch for it; "" on a Unix socket. */
  get client(): string {
    this.#client ??= this.#clients.addressOf(this.#session);
    return this.#client;
  }

  /** What the client has shown of itself by TLS; null: nothing. */
  get certificate(): PeerCertificate | null {
    return this.#session.client.tls?.peerCertificate ?? null;
  }

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.request.query ?? "");
    return this.#query;
  }
}

/** A question about a request. Has no effects, so that the cheap ones can be asked first. */
export type Predicate = (subject: Subject) => boolean;
