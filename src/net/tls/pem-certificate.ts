import { createHash, createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { createSecureContext } from "node:tls";
import { describeThrown } from "../../base/errors.ts";
import type { Life } from "./crl-life.ts";
import { toServerPattern } from "./server-name.ts";

/** A certificate with all that goes with it, checked; plain data, so that threads can be given it. */
export interface Certificate {
  /** Where it came from, for people. */
  readonly origin: string;
  /** Names it is used for: exact ones, and wildcards of one label. */
  readonly names: readonly string[];
  /** The certificate and those that signed it, PEM, in order. */
  readonly chain: string;
  /** The private key, PEM, not encrypted. */
  readonly key: string;
  /** "ec", "rsa", "ed25519" and so on: of each a name can have one. */
  readonly keyType: string;
  /** The OCSP response to staple, DER; null: none. */
  readonly status: Uint8Array | null;
  /** When it ends, milliseconds since 1970. */
  readonly notAfter: number;
  /** Of all of this: equal when nothing has changed. */
  readonly identity: string;
}

/** The texts that a certificate is made of, and where each came from. */
export interface CertificateTexts {
  readonly certFile: string;
  readonly cert: string;
  readonly keyFile: string;
  readonly key: string;
  readonly passphrase?: string | undefined;
  readonly statusFile?: string | undefined;
  readonly status?: Uint8Array | undefined;
  /** Names to use it for; those that it has itself when absent or empty. */
  readonly names?: readonly string[] | undefined;
}

/** Something is wrong with a file: it says with which, and what. */
export class CertificateError extends Error {
  readonly file: string;

  constructor(file: string, problem: string) {
    super(`${file}: ${problem}`);
    this.name = "CertificateError";
    this.file = file;
  }
}

const BLOCK =
  /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[^-]+-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const BEGIN = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const DER_SEQUENCE = 0x30;

/**
 * Checks that certificate, chain and key belong together.
 * @throws CertificateError that names the file and what is wrong with it
 */
export function readCertificate(texts: CertificateTexts): Certificate {
  const chain = readChain(texts.certFile, texts.cert);
  const key = readKey(texts);
  const [leaf] = chain as [X509Certificate];
  checkKey(texts, chain, key);
  checkOrder(texts.certFile, chain);
  const names = readNames(texts, leaf);
  const status = readStatus(texts);
  const pem = chain.map((one) => one.toString()).join("");
  const keyPem = key.export({ type: "pkcs8", format: "pem" });
  checkAccepted(texts.certFile, pem, keyPem);
  const hash = createHash("sha256").update(pem).update(keyPem).update(names.join(" "));
  return {
    origin: texts.certFile,
    names,
    chain: pem,
    key: keyPem,
    keyType: key.asymmetricKeyType ?? "",
    status,
    notAfter: leaf.validToDate.getTime(),
    identity: hash.update(status ?? "").digest("hex"),
  };
}

/** The last part of a certificate's life: by then it should have been renewed, whether it lives for days or for months. */
const LATE = 0.1;

/** What is doubtful about a certificate at `now`, but no reason not to use it. Milliseconds since 1970. */
export function findDoubts({ chain, origin, names }: Certificate, now: number): string[] {
  const [leaf] = readChain(origin, chain) as [X509Certificate];
  const doubts: string[] = [];
  const doubt = findDoubtOfLife(lifeOf(leaf), now);
  if (doubt !== null) doubts.push(doubt);
  if (names.length === 0) doubts.push("has no host name, so that only clients that name none get it");
  return doubts;
}

/** What is doubtful about the time in which something counts; null: nothing. */
export function findDoubtOfLife({ begin, end }: Life, now: number): string | null {
  if (begin > now) return `valid only from ${new Date(begin).toISOString()}`;
  if (end <= now) return `expired at ${new Date(end).toISOString()}`;
  return end - now < (end - begin) * LATE ? `expires at ${new Date(end).toISOString()}` : null;
}

export function lifeOf({ validFromDate, validToDate }: X509Certificate): Life {
  return { begin: validFromDate.getTime(), end: validToDate.getTime() };
}

/** @throws CertificateError when there is none, or one that can't be read */
export function readChain(file: string, text: string): X509Certificate[] {
  const blocks = text.match(BLOCK) ?? [];
  const begun = text.match(BEGIN)?.length ?? 0;
  if (begun === 0) throw new CertificateError(file, "holds no certificate in PEM");
  // The file of somebody who is still writing it: what is there already may look whole, but has lost its signer.
  if (begun > blocks.length) throw new CertificateError(file, "holds a certificate that isn't whole");
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new CertificateError(file, `certificate ${index + 1} can't be read: ${describeThrown(error)}`);
    }
  });
}

function readKey({ keyFile, key, passphrase }: CertificateTexts): KeyObject {
  if (!key.includes("PRIVATE KEY-----")) throw new CertificateError(keyFile, "holds no private key in PEM");
  try {
    return createPrivateKey({ key, format: "pem", ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    if (!key.includes("ENCRYPTED"))
      throw new CertificateError(keyFile, `can't be read: ${describeThrown(error)}`);
    const isGiven = passphrase !== undefined;
    throw new CertificateError(
      keyFile,
      isGiven ? "the passphrase is wrong" : "is encrypted, and there is no passphrase",
    );
  }
}

function checkKey({ certFile, keyFile }: CertificateTexts, chain: X509Certificate[], key: KeyObject): void {
  const owner = chain.findIndex((one) => one.checkPrivateKey(key));
  if (owner === -1) throw new CertificateError(keyFile, `is not the key of the certificate in ${certFile}`);
  if (owner > 0) {
    throw new CertificateError(
      certFile,
      `the server's own certificate must come first, it is number ${owner + 1}`,
    );
  }
}

/** What OpenSSL refuses, too short a key say, must not get as far as the threads that serve. */
function checkAccepted(file: string, cert: string, key: string): void {
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new CertificateError(file, `is refused by OpenSSL: ${describeThrown(error)}`);
  }
}

function checkOrder(file: string, chain: X509Certificate[]): void {
  for (let index = 1; index < chain.length; index++) {
    const [subject, issuer] = [chain[index - 1]!, chain[index]!];
    if (subject.checkIssued(issuer) && subject.verify(issuer.publicKey)) continue;
    const problem = `certificate ${index + 1} did not sign the one before it: each must be followed by its signer`;
    throw new CertificateError(file, problem);
  }
}

function readNames({ certFile, names = [] }: CertificateTexts, leaf: X509Certificate): string[] {
  if (names.length === 0) return namesOf(leaf);
  return names.map((name) => {
    const pattern = toServerPattern(name);
    if (pattern === null) throw new CertificateError(certFile, `"${name}" is no host name`);
    return pattern;
  });
}

/** The alternative names that are host names; the common name where there are none at all (RFC 6125 §6.4.4). */
function namesOf(leaf: X509Certificate): string[] {
  const { subjectAltName } = leaf;
  const own = subjectAltName === undefined ? commonNames(leaf) : dnsNames(subjectAltName);
  return [...new Set(own.map(toServerPattern).filter((name) => name !== null))];
}

/** Whatever Node puts in quotes is no host's name. */
function dnsNames(subjectAltName: string): string[] {
  const entries = subjectAltName.split(", ").filter((entry) => entry.startsWith("DNS:"));
  return entries.map((entry) => entry.slice(4));
}

function commonNames(leaf: X509Certificate): string[] {
  const lines = leaf.subject.split("\n").filter((line) => line.startsWith("CN="));
  return lines.map((line) => line.slice(3));
}

function readStatus({ statusFile = "", status }: CertificateTexts): Uint8Array | null {
  if (status === undefined) return null;
  if (status[0] !== DER_SEQUENCE) throw new CertificateError(statusFile, "holds no OCSP response in DER");
  return new Uint8Array(status);
}
