import { isIPv6 } from "node:net";
import { FieldId } from "../http/field-names.ts";
import type { RequestHead } from "../http/heads.ts";
import type { RequestAdditions } from "../http/streams.ts";
import { webSocketAccept } from "../http/websocket.ts";
import { IpRanges } from "../net/ip-ranges.ts";
import type { HttpPeer } from "../upstream/peer.ts";
import { CERTIFICATE_BITS, type CertificateForwarding, certificateLines } from "./client-certificate.ts";
import type { ClientInfo } from "./session.ts";

/** What a server is told about the client and the way its request took. */
export interface ForwardingPolicy {
  /**
   * `append` keeps what came in, `replace` throws it away, also those fields of the four that aren't written here, `off` passes it
   * on untouched and adds nothing.
   */
  readonly mode: "append" | "replace" | "off";
  /** `X-Forwarded-For`, `X-Forwarded-Proto`, `X-Forwarded-Host`. */
  readonly xForwarded: boolean;
  /** `Forwarded` (RFC 7239). */
  readonly forwarded: boolean;
  /** Addresses and CIDR ranges whose fields are believed. Empty: everybody's are kept in `append`. */
  readonly trustedProxies: readonly string[];
  /** Our name in `Via` (RFC 9110 §7.6.3), null for no such field. */
  readonly via: string | null;
  /**
   * How servers are told of the certificate that a client has shown: by `X-Forwarded-Client-Cert`, by `Client-Cert` and
   * `Client-Cert-Chain` (RFC 9440; then no session of TLS is taken up again), or not at all. What clients send of these fields
   * is removed, unless everything here is off or the client is one of `trustedProxies` in `append`.
   */
  readonly clientCertificate: CertificateForwarding;
}

export const NO_FORWARDING: ForwardingPolicy = {
  mode: "off",
  xForwarded: false,
  forwarded: false,
  trustedProxies: [],
  via: null,
  clientCertificate: "off",
};

/** Replaced lines as bits. */
const X_FORWARDED_BITS =
  (1 << FieldId.XForwardedFor) | (1 << FieldId.XForwardedProto) | (1 << FieldId.XForwardedHost);
const FORWARDED_BIT = 1 << FieldId.Forwarded;
const VIA_BIT = 1 << FieldId.Via;
const HOST_BIT = 1 << FieldId.Host;
const LOOKALIKE_BIT = 1 << FieldId.ClientCertLookalike;

const NOTHING: RequestAdditions = { lines: "", dropped: 0, upgrade: null, accept: null };

/** Lines that stay the same for a client's connection and host, kept with the connection. */
export interface ForwardingNote {
  host: string;
  version: string;
  additions: RequestAdditions | null;
  trusted: boolean | null;
  /** The lines for the client's certificate, "" for none; null: not made yet. */
  certificate: string | null;
}

/** A client with what is remembered of it here. */
export interface ForwardedClient extends ClientInfo {
  readonly forwarding: ForwardingNote;
}

/** Writes the fields that tell a server where a request comes from. */
export class Forwarding {
  readonly #policy: ForwardingPolicy;
  readonly #trusted: IpRanges | null;
  /** Any of these fields in a request means that its lines can't be taken from the connection's note. */
  readonly #special: number;

  /** @throws RangeError when a trusted proxy is neither an address nor a range */
  constructor(policy: ForwardingPolicy) {
    this.#policy = policy;
    this.#trusted = policy.trustedProxies.length === 0 ? null : new IpRanges(policy.trustedProxies);
    const isOff = policy.mode === "off";
    this.#special =
      (policy.via === null ? 0 : VIA_BIT) |
      (isOff ? 0 : X_FORWARDED_BITS | FORWARDED_BIT) |
      (isOff && policy.clientCertificate === "off" ? 0 : CERTIFICATE_BITS);
  }

  /** True when the request went through this proxy before (`Via` names it). */
  isLoop(head: RequestHead): boolean {
    const { via } = this.#policy;
    if (via === null || (head.present & VIA_BIT) === 0) return false;
    const received = head.headers.get("via");
    return received?.split(",").some((hop) => hop.trim().split(/[ \t]+/)[1] === via) ?? false;
  }

  /** The lines for one request, `head` as it is about to be sent to `peer`. */
  additions(head: RequestHead, client: ForwardedClient, protocol: string, peer: HttpPeer): RequestAdditions {
    const additions = this.#forwardingOf(head, client, protocol);
    const host = lacksHost(head) ? hostLine(peer) : "";
    const upgrade = upgradeOf(head);
    if (host === "" && upgrade === null) return additions;
    const accept = upgrade === null || protocol !== "HTTP/2" ? null : acceptOf(head);
    return { lines: host + additions.lines, dropped: additions.dropped, upgrade, accept };
  }

  #forwardingOf(head: RequestHead, client: ForwardedClient, protocol: string): RequestAdditions {
    const { via, mode, clientCertificate } = this.#policy;
    if (via === null && mode === "off" && clientCertificate === "off") return NOTHING;
    const version = versionOf(protocol);
    if ((presentIn(head) & this.#special) !== 0) return this.#rewritten(head, client, version);
    const note = client.forwarding;
    if (note.additions === null || note.host !== head.host || note.version !== version) {
      note.host = head.host;
      note.version = version;
      note.additions = {
        lines: this.#freshLines(head.host, client, version),
        dropped: 0,
        upgrade: null,
        accept: null,
      };
    }
    return note.additions;
  }

  /** Nothing came in: all fields are ours. */
  #freshLines(host: string, client: ForwardedClient, version: string): string {
    const { mode, xForwarded, forwarded, via } = this.#policy;
    let lines = "";
    if (mode !== "off" && xForwarded) {
      lines = `X-Forwarded-For: ${forAddress(client)}\r\nX-Forwarded-Proto: ${client.scheme}\r\n`;
      if (host !== "") lines += `X-Forwarded-Host: ${host}\r\n`;
    }
    if (mode !== "off" && forwarded) lines += `Forwarded: ${forwardedElement(client, host)}\r\n`;
    lines += this.#certificateLines(client, null);
    return via === null ? lines : `${lines}Via: ${version} ${via}\r\n`;
  }

  #rewritten(head: RequestHead, client: ForwardedClient, version: string): RequestAdditions {
    const { mode, xForwarded, forwarded, via } = this.#policy;
    const keeps = mode === "append" && this.#isTrusted(client);
    let lines = "";
    let dropped = mode === "off" || keeps ? 0 : (X_FORWARDED_BITS | FORWARDED_BIT) & ~touchedIn(head);
    if (mode !== "off" && xForwarded) {
      lines += xForwardedLines(head, client, keeps);
      dropped |= X_FORWARDED_BITS;
    }
    if (mode !== "off" && forwarded) {
      lines += `Forwarded: ${after(keeps ? head.headers.get("forwarded") : null, forwardedElement(client, head.host))}\r\n`;
      dropped |= FORWARDED_BIT;
    }
    if ((this.#special & CERTIFICATE_BITS) !== 0) {
      const certificates = this.#certificates(head, client);
      lines += certificates.lines;
      dropped |= certificates.dropped;
    }
    if (via !== null) {
      lines += `Via: ${after(head.headers.get("via"), `${version} ${via}`)}\r\n`;
      dropped |= VIA_BIT;
    }
    return { lines, dropped, upgrade: null, accept: null };
  }

  // ── certificates of clients ────────────────────────────────────────────────────────────────────────────────────

  #certificateLines(client: ForwardedClient, received: string | null): string {
    const certificate = client.tls === null ? null : client.tls.peerCertificate;
    if (certificate === null) return "";
    const how = this.#policy.clientCertificate;
    if (received !== null) return certificateLines(how, certificate, received);
    client.forwarding.certificate ??= certificateLines(how, certificate, null);
    return client.forwarding.certificate;
  }

  /**
   * Drops what a client says of certificates: it would be taken for our word. Nobody is trusted here without being named.
   */
  #certificates(head: RequestHead, client: ForwardedClient): { lines: string; dropped: number } {
    const { mode, clientCertificate: how } = this.#policy;
    const keeps = mode === "append" && this.#trusted !== null && this.#isTrusted(client);
    const isOwn = how !== "off" && client.tls !== null && client.tls.peerCertificate !== null;
    if (!isOwn && keeps) return { lines: "", dropped: LOOKALIKE_BIT };
    // As long as we have nothing to say.
    const touched = how === "off" ? touchedIn(head) : 0;
    const received = isOwn && keeps ? head.headers.get("x-forwarded-client-cert") : null;
    return { lines: this.#certificateLines(client, received), dropped: CERTIFICATE_BITS & ~touched };
  }

  #isTrusted(client: ForwardedClient): boolean {
    if (this.#trusted === null) return true;
    const note = client.forwarding;
    note.trusted ??= client.address === "" || this.#trusted.has(client.address);
    return note.trusted;
  }
}

/** What `Via` says of a protocol (RFC 9110 §7.6.3): its name is left out, for it is HTTP. */
function versionOf(protocol: string): string {
  if (protocol === "HTTP/1.1") return "1.1";
  return protocol === "HTTP/2" ? "2" : "1.0";
}

/** `X-Forwarded-For` grows by one address; the other two keep what the first proxy saw. */
function xForwardedLines(head: RequestHead, client: ClientInfo, keeps: boolean): string {
  const { headers, host } = head;
  const chain = after(keeps ? headers.get("x-forwarded-for") : null, forAddress(client));
  const proto = (keeps ? headers.get("x-forwarded-proto") : null) ?? client.scheme;
  const forwardedHost = (keeps ? headers.get("x-forwarded-host") : null) ?? host;
  const hostLine = forwardedHost === "" ? "" : `X-Forwarded-Host: ${forwardedHost}\r\n`;
  return `X-Forwarded-For: ${chain}\r\nX-Forwarded-Proto: ${proto}\r\n${hostLine}`;
}

function after(received: string | null, own: string): string {
  return received === null || received === "" ? own : `${received}, ${own}`;
}

function forAddress(client: ClientInfo): string {
  return client.address === "" ? "unknown" : client.address;
}

/** One element of `Forwarded`; IPv6 addresses and hosts with a port are quoted (RFC 7239 §6). */
function forwardedElement(client: ClientInfo, host: string): string {
  const { address, scheme } = client;
  const node = address === "" ? "unknown" : isIPv6(address) ? `"[${address}]"` : address;
  const hostPart = host === "" ? "" : `;host="${host}"`;
  return `for=${node};proto=${scheme}${hostPart}`;
}

/** The known fields that a request may hold, those included that a filter touched. */
function presentIn({ present, touchedHeaders }: RequestHead): number {
  return touchedHeaders === null ? present : present | touchedHeaders.touchedIds;
}

/** What a filter wrote, or deleted, is the program's word. */
function touchedIn({ touchedHeaders }: RequestHead): number {
  return touchedHeaders === null ? 0 : touchedHeaders.touchedIds;
}

/** A filter that doesn't want the upgrade deletes the field. */
function upgradeOf(head: RequestHead): string | null {
  if (head.upgrade === null || head.touchedHeaders?.has("upgrade") === false) return null;
  return head.upgrade;
}

/** Clients of HTTP/2 have no key of their own (RFC 8441 §5): the one that is sent was made here, and its answer ends here. */
function acceptOf(head: RequestHead): string | null {
  const key = head.headers.get("sec-websocket-key");
  return key === null ? null : webSocketAccept(key);
}

/** HTTP/1.0 knows requests without a host, and a filter may delete it; in HTTP/1.1 there must be one (RFC 9112 §3.2). */
function lacksHost(head: RequestHead): boolean {
  const { touchedHeaders: headers } = head;
  const isTouched = headers !== null && (headers.touchedIds & HOST_BIT) !== 0;
  return isTouched ? !headers.has("host") : (head.present & HOST_BIT) === 0;
}

function hostLine(peer: HttpPeer): string {
  return `Host: ${peer.address.kind === "unix" ? "localhost" : peer}\r\n`;
}
