import type { X509Certificate } from "node:crypto";
import { FieldId } from "../http/field-names.ts";
import type { PeerCertificate } from "../net/tls/digest.ts";

/** How servers are told of the certificate that a client has shown. */
export type CertificateForwarding = "off" | "xfcc" | "headers";

/**
 * The fields that tell of it. Whoever reads them takes them for what a proxy has verified; so must be what looks like them to a
 * server that takes `_` for `-`, as CGI does.
 */
export const CERTIFICATE_BITS: number =
  (1 << FieldId.XForwardedClientCert) |
  (1 << FieldId.ClientCert) |
  (1 << FieldId.ClientCertChain) |
  (1 << FieldId.ClientCertLookalike);

/** Bytes of a chain in DER beyond which it isn't sent: servers refuse heads that are too long. */
const LONGEST_CHAIN = 12 * 1024;

/**
 * The lines for a certificate.
 * @param received what a trusted proxy before this one told, of `X-Forwarded-Client-Cert`; null otherwise
 */
export function certificateLines(
  how: CertificateForwarding,
  certificate: PeerCertificate,
  received: string | null,
): string {
  if (how === "off") return "";
  if (how === "headers") return rfc9440Lines(certificate);
  const element = xfccElement(certificate);
  return `X-Forwarded-Client-Cert: ${received === null ? element : `${received},${element}`}\r\n`;
}

/**
 * As Envoy has it: `Hash=…;Subject="CN=client,O=Example";URI=spiffe://…;DNS=client.example`. Names that can't be those of a
 * host or a URI are left out.
 */
function xfccElement(certificate: PeerCertificate): string {
  const pairs = [`Hash=${certificate.fingerprint}`, `Subject="${certificate.rfc4514Subject}"`];
  for (const { type, value } of certificate.names) {
    if (type === "URI" && URI.test(value)) pairs.push(`URI=${quoted(value)}`);
    else if (type === "DNS" && HOST.test(value)) pairs.push(`DNS=${value}`);
  }
  return pairs.join(";");
}

/** All that a URI may consist of (RFC 3986 §2): neither quotes nor backslashes. */
const URI = /^[\w\-.~:/?#[\]@!$&'()*+,;=%]+$/;
const HOST = /^[\w\-.*]+$/;

function quoted(value: string): string {
  return /[,;=]/.test(value) ? `"${value}"` : value;
}

/** `Client-Cert` and `Client-Cert-Chain` (RFC 9440): structured fields with the bytes themselves. */
function rfc9440Lines({ x509 }: PeerCertificate): string {
  const own = `Client-Cert: ${byteSequence(x509.raw)}\r\n`;
  const chain = signersOf(x509).map(({ raw }) => raw);
  const size = chain.reduce((sum, { length }) => sum + length, 0);
  if (size === 0 || size > LONGEST_CHAIN) return own;
  return `${own}Client-Cert-Chain: ${chain.map(byteSequence).join(", ")}\r\n`;
}

/**
 * Those that a client sent behind its own certificate, as far as each has signed the one before it: a client may send any, and
 * those that its own was verified by may have been known here.
 */
function signersOf(own: X509Certificate): readonly X509Certificate[] {
  const signers: X509Certificate[] = [];
  let last = own;
  for (let one = own.issuerCertificate; one !== undefined; one = one.issuerCertificate) {
    // Who signs itself is at the end; the server has to have it anyway.
    if (one.checkIssued(one) || !last.checkIssued(one) || !last.verify(one.publicKey)) break;
    signers.push(one);
    last = one;
  }
  return signers;
}

/** RFC 9651 §3.3.5. */
function byteSequence(bytes: Buffer): string {
  return `:${bytes.toString("base64")}:`;
}
