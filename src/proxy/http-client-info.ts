import type { TrafficRow } from "../base/traffic/traffic-row.ts";
import { plainAddress } from "../net/address.ts";
import type { TlsDigest } from "../net/tls/digest.ts";
import type { Transport } from "../net/transport.ts";
import type { ForwardingNote } from "./forwarding.ts";
import type { MeteredClient } from "./traffic/session-meter.ts";

/** What is known of a client's connection, found out when its first request comes. */
export class HttpClientInfo implements MeteredClient {
  readonly address: string;
  readonly port: number;
  readonly listener: string;
  readonly scheme: "http" | "https";
  readonly tls: TlsDigest | null;
  readonly traffic: TrafficRow | null;
  topMark = -1;
  readonly forwarding: ForwardingNote = {
    host: "",
    version: "",
    additions: null,
    trusted: null,
    certificate: null,
  };

  constructor(transport: Transport, listener: string, traffic: TrafficRow | null = null) {
    this.address = plainAddress(transport.remoteAddress);
    this.port = transport.socket.remotePort ?? 0;
    this.listener = listener;
    this.traffic = traffic;
    this.tls = transport.tls;
    this.scheme = this.tls === null ? "http" : "https";
  }
}
