import { type Command, Option } from "commander";
import { enableFips } from "../../net/tls/fips.ts";
import { UsageError } from "../errors.ts";
import { collect } from "../options.ts";
import { createSelfSigned, type SelfSigned } from "./self-signed.ts";

/** What commands that serve can be told about TLS as a whole. */
export interface TlsFlags {
  fips?: boolean;
  tlsKeyLog?: string;
}

/** What a proxy from flags alone can be told about the TLS of its listeners. */
export interface ListenerTlsFlags {
  cert?: string[];
  key?: string[];
  tlsSelfSigned?: boolean;
  name?: string[];
}

export function fipsOption(): Option {
  return new Option("--fips", "use FIPS-approved cryptography only; OpenSSL's provider has to be there");
}

export function keyLogOption(): Option {
  return new Option(
    "--tls-key-log <file>",
    "append the secrets of TLS connections, for Wireshark (also: the variable SSLKEYLOGFILE)",
  );
}

export function addListenerTls(command: Command): void {
  command
    .option("--cert <file>", "serve TLS with this certificate and its chain, PEM (repeatable)", collect)
    .option("--key <file>", "its key; one for each --cert, or none if they hold their keys", collect)
    .option("--tls-self-signed", "serve TLS with a new certificate for this machine, for development")
    .option("--name <host>", "another name or address for --tls-self-signed (repeatable)", collect);
}

/** Where the secrets of TLS connections are to be written; null for nowhere. */
export function keyLogFile({ tlsKeyLog }: TlsFlags): string | null {
  // As with curl and browsers, the variable alone is enough.
  return (tlsKeyLog ?? process.env["SSLKEYLOGFILE"]) || null;
}

/**
 * Before anything is hashed, or any thread is started.
 * @throws UsageError when there is no such provider
 */
export function setFips({ fips = false }: TlsFlags): void {
  if (!fips) return;
  try {
    enableFips();
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** A certificate with its key, by files. */
export interface CertificateFlag {
  readonly cert: string;
  readonly key: string;
}

/** @throws UsageError when there are more of the ones than of the others */
export function pairCertificates({ cert = [], key = [] }: ListenerTlsFlags): readonly CertificateFlag[] {
  if (key.length > 0 && key.length !== cert.length) {
    throw new UsageError(
      `${count(cert.length, "--cert")} and ${count(key.length, "--key")}: each certificate needs its key`,
    );
  }
  return cert.map((file, index) => ({ cert: file, key: key[index] ?? file }));
}

function count(number: number, flag: string): string {
  return `${number} ${flag}`;
}

/** The development certificate, where one is wanted. Whoever asks for it disposes of it. */
export async function selfSignedFor(flags: ListenerTlsFlags): Promise<SelfSigned | null> {
  const { tlsSelfSigned = false, name = [], cert = [] } = flags;
  if (!tlsSelfSigned && name.length > 0) throw new UsageError("--name is for --tls-self-signed");
  if (tlsSelfSigned && cert.length > 0)
    throw new UsageError("--cert and --tls-self-signed exclude each other");
  return tlsSelfSigned ? await createSelfSigned(name) : null;
}
