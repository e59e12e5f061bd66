import { plainAddress } from "../net/address.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Transport } from "../net/transport.ts";
import type { ForwardedClient, ForwardingNote } from "./forwarding.ts";

/** What is known of a client's connection, found out when its first request comes. */
export class HttpClientInfo implements ForwardedClient {
  readonly address: string;
  readonly port: number;
  readonly listener: string;
  readonly scheme: "http" | "https";
  readonly tls: TlsDigest | null;
  readonly forwarding: ForwardingNote = {
    host: "",
    version: "",
    additions: null,
    trusted: null,
    certificate: null,
  };

  constructor(transport: Transport, listener: string) {
    this.address = plainAddress(transport.remoteAddress);
    this.port = transport.socket.remotePort ?? 0;
    this.listener = listener;
    this.tls = transport.tls;
    this.scheme = this.tls === null ? "http" : "https";
  }
}
