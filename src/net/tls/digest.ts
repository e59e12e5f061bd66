import type { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { toRfc4514 } from "./distinguished-name.ts";

/** One of a certificate's alternative names. */
export interface AlternativeName {
  /** As OpenSSL calls it: "DNS", "URI", "IP Address", "email" … */
  readonly type: string;
  readonly value: string;
}

/** What is known of a peer's certificate. */
export class PeerCertificate {
  readonly x509: X509Certificate;
  #subject: string | null = null;

  constructor(x509: X509Certificate) {
    this.x509 = x509;
  }

  /** Distinguished name on one line, the most general part first: `C=DE, O=Example, CN=client`. */
  get subject(): string {
    this.#subject ??= toOneLine(this.x509.subject);
    return this.#subject;
  }

  /** The same by RFC 4514, the most special part first, in ASCII: `CN=client,O=Example,C=DE`. */
  get rfc4514Subject(): string {
    return toRfc4514(this.x509.subject);
  }

  /** The most special one of the name, "" when there is none. */
  get commonName(): string {
    const names = this.x509.subject.split("\n").filter((part) => part.startsWith("CN="));
    return names.at(-1)?.slice(3) ?? "";
  }

  get issuer(): string {
    return toOneLine(this.x509.issuer);
  }

  /** In hexadecimal, upper case. */
  get serialNumber(): string {
    return this.x509.serialNumber;
  }

  /** SHA-256 of the certificate, in hexadecimal, lower case, without colons. */
  get fingerprint(): string {
    return this.x509.fingerprint256.replaceAll(":", "").toLowerCase();
  }

  /** Alternative names as Node writes them: `DNS:a.example`, `URI:spiffe://…`, `IP Address:…`. */
  get alternativeNames(): readonly string[] {
    return this.x509.subjectAltName?.split(", ") ?? [];
  }

  /** The same, taken apart. */
  get names(): readonly AlternativeName[] {
    return this.alternativeNames.map(toAlternativeName);
  }
}

/** What could be taken for more than one name stands in quotes, as in JSON. */
function toAlternativeName(text: string): AlternativeName {
  const colon = text.indexOf(":");
  const value = text.slice(colon + 1);
  return { type: text.slice(0, colon), value: value.startsWith('"') ? unquoted(value) : value };
}

/** "", which is nobody's name, for what can't be read. */
function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return "";
  }
}

/** What is known of a TLS connection, from the end of its handshake on; it stays when the connection has gone. */
export interface TlsDigest {
  /** "TLSv1.3" or "TLSv1.2" */
  readonly version: string;
  /** The cipher suite by its IANA name. */
  readonly cipher: string;
  /** How keys were agreed on: "X25519MLKEM768", "X25519" …; "" where Node doesn't say, which is on the server's side. */
  readonly group: string;
  /** The name the client asked for, "" when it named none. */
  readonly serverName: string;
  /** The protocol agreed on, "" when none was. */
  readonly alpn: string;
  /** True when the handshake took up an earlier session. */
  readonly resumed: boolean;
  /** The other side's certificate; null when it showed none, and for servers of a resumed session. */
  readonly peerCertificate: PeerCertificate | null;
}

/** What `socket` has to tell at the end of its handshake: a closed one knows nothing any more. */
export function digestOf(socket: TLSSocket, serverName: string, hasPeerCertificate: boolean): TlsDigest {
  const { standardName, version } = socket.getCipher();
  const x509 = hasPeerCertificate ? socket.getPeerX509Certificate() : undefined;
  return {
    version: socket.getProtocol() ?? version,
    cipher: standardName,
    group: groupOf(socket),
    serverName,
    alpn: socket.alpnProtocol === false || socket.alpnProtocol === null ? "" : socket.alpnProtocol,
    resumed: socket.isSessionReused(),
    peerCertificate: x509 === undefined ? null : new PeerCertificate(x509),
  };
}

function groupOf(socket: TLSSocket): string {
  const info = socket.getEphemeralKeyInfo();
  if (info === null || !("type" in info)) return "";
  return "name" in info && typeof info.name === "string" ? info.name : info.type;
}

/** A newline within a value comes from Node as `\0A`, so that lines are always parts of the name. */
function toOneLine(name: string): string {
  return name.split("\n").join(", ");
}
