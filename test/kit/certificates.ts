import { isIP } from "node:net";
import { generate } from "selfsigned";

/** PEM texts, named as node:tls names them. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

export interface LeafOptions {
  /** DNS names and IP addresses; "localhost", 127.0.0.1 and ::1 when absent. */
  readonly names?: readonly string[];
  /** The first of the names when absent. */
  readonly commonName?: string;
  /** Days until it ends, 30 when absent; negative for one that has already ended. */
  readonly days?: number;
}

export interface Authority extends Identity {
  /** A certificate for servers and clients alike, signed by this authority. */
  issue(options?: LeafOptions): Promise<Identity>;
}

export interface AuthorityOptions {
  readonly commonName?: string;
  /** Of the authority and of all that it issues: "ec" (P-256, quick to make) when absent. */
  readonly keyType?: "ec" | "rsa";
  /** Who signs it; itself when absent. */
  readonly signer?: Identity;
}

const day = 86_400_000;
const localNames = ["localhost", "127.0.0.1", "::1"];

/** A certificate authority of one test, with a fresh key. */
export async function createAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const { commonName = "Sluice test authority", keyType = "ec", signer } = options;
  const made = await generate([{ name: "commonName", value: commonName }], {
    ...(signer === undefined ? {} : { ca: signer }),
    keyType,
    algorithm: "sha256",
    ...validity(3650),
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, cRLSign: true, critical: true },
    ],
  });
  const authority: Identity = { key: made.private, cert: made.cert };
  return { ...authority, issue: (leaf = {}) => issueLeaf(authority, keyType, leaf) };
}

async function issueLeaf(ca: Identity, keyType: "ec" | "rsa", options: LeafOptions): Promise<Identity> {
  const { names = localNames, days = 30 } = options;
  const commonName = options.commonName ?? names[0] ?? "leaf";
  const made = await generate([{ name: "commonName", value: toNameValue(commonName) }], {
    ca,
    keyType,
    algorithm: "sha256",
    ...validity(days),
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, keyEncipherment: keyType === "rsa", critical: true },
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      { name: "subjectAltName", altNames: names.map(toAlternativeName) },
    ],
  });
  return { key: made.private, cert: made.cert };
}

/** Begins a day early, or, for one that has already ended, a day before its end. */
function validity(days: number): { notBeforeDate: Date; notAfterDate: Date } {
  const end = Date.now() + days * day;
  return { notBeforeDate: new Date(Math.min(Date.now(), end) - day), notAfterDate: new Date(end) };
}

/** What has a meaning in a name is given as its DER in hexadecimal (RFC 4514 §2.4). */
function toNameValue(text: string): string {
  if (/^[\w.*][\w.* -]*(?<! )$/.test(text)) return text;
  const bytes = Buffer.from(text);
  const length = bytes.length < 128 ? [bytes.length] : [0x82, bytes.length >> 8, bytes.length & 255];
  return `#${Buffer.from([UTF8_STRING, ...length, ...bytes]).toString("hex")}`;
}

const UTF8_STRING = 0x0c;

function toAlternativeName(name: string): { type: 2; value: string } | { type: 7; ip: string } {
  return isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name };
}
