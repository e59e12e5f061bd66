import { parseAddress } from "../net/address.ts";
import type { CertificateSource } from "../net/tls/certificate-files.ts";
import { CertificateError, readCertificate, readChain } from "../net/tls/pem-certificate.ts";
import { readNamedFileSync } from "../net/tls/read-named-file.ts";
import { expectIdentity } from "../net/tls/server-identity.ts";
import { authorityFor } from "../upstream/connect-proxy.ts";
import type { PeerOptions } from "../upstream/peer.ts";
import { hostToVerify, type PeerTlsOptions } from "../upstream/peer-tls.ts";
import { resolveIn } from "./resolve-in.ts";
import type { UpstreamTlsDraft } from "./schema/upstream-tls.ts";
import type { Finding } from "./source-document.ts";

/** Where files are looked for, and who hears of those that can't be used. */
export interface FileSurroundings {
  readonly folder: string;
  note(finding: Finding): void;
}

/**
 * Certificates and keys go along as text: threads and probes read no files.
 * @param path where the settings stand in the document
 * @param caKey where the authorities stand below that
 */
export function readUpstreamTls(
  draft: UpstreamTlsDraft,
  path: readonly PropertyKey[],
  around: FileSurroundings,
  caKey: readonly string[] = ["ca"],
): PeerTlsOptions {
  const files = new NamedFiles(path, around);
  const ca = draft.ca.map((file) =>
    files.use(caKey, file, "a file with certificates, PEM", (name, text) => readAuthorities(name, text)),
  );
  const { identity } = draft;
  const own = identity && readIdentity(identity, files);
  return {
    ...draft.options,
    ...(ca.length === 0
      ? {}
      : { ca: ca.flatMap((blocks) => blocks ?? []), caFiles: files.pathsOf(draft.ca) }),
    ...(own === null ? {} : { identity: own }),
  };
}

/** Notes what is known of servers beforehand that can't be reached: their names are none, or no proxy leads there. */
export function checkServers(
  addresses: readonly string[],
  { tls, proxy }: Pick<PeerOptions, "tls" | "proxy">,
  path: (key: "tls" | "proxy") => readonly PropertyKey[],
  { note }: Pick<FileSurroundings, "note">,
): void {
  for (const text of addresses) {
    const address = parseAddress(text);
    if (typeof tls === "object")
      check(() => expectIdentity(tls, hostToVerify(address)), text, path("tls"), note);
    if (proxy !== undefined) check(() => authorityFor(address), text, path("proxy"), note);
  }
}

function check(
  what: () => unknown,
  address: string,
  path: readonly PropertyKey[],
  note: FileSurroundings["note"],
): void {
  try {
    what();
  } catch (error) {
    note({ path, message: `${address} can't be reached: ${(error as Error).message}` });
  }
}

function readAuthorities(file: string, text: string): string[] {
  return readChain(file, text).map((one) => one.toString());
}

function readIdentity(
  own: NonNullable<UpstreamTlsDraft["identity"]>,
  files: NamedFiles,
): NonNullable<PeerTlsOptions["identity"]> | null {
  const { cert, key, passphrase } = own;
  const expected = "a certificate and its private key, PEM";
  const keyText = key === cert ? null : files.use(["key"], key, expected, (_name, text) => text);
  if (keyText === undefined) return null;
  const made = files.use(["cert"], cert, expected, (certFile, certText) =>
    readCertificate({ certFile, cert: certText, keyFile: key, key: keyText ?? certText, passphrase }),
  );
  return made === undefined ? null : { chain: made.chain, key: made.key, source: files.sourceOf(own) };
}

/** Files that settings name, and what is wrong with them. */
class NamedFiles {
  readonly #path: readonly PropertyKey[];
  readonly #around: FileSurroundings;

  constructor(path: readonly PropertyKey[], around: FileSurroundings) {
    this.#path = path;
    this.#around = around;
  }

  pathsOf(files: readonly string[]): readonly string[] {
    return files.map((file) => resolveIn(this.#around.folder, file));
  }

  sourceOf({ cert, key, passphrase }: NonNullable<UpstreamTlsDraft["identity"]>): CertificateSource {
    const { folder } = this.#around;
    const paths = { cert: resolveIn(folder, cert), key: resolveIn(folder, key) };
    return passphrase === undefined ? paths : { ...paths, passphrase };
  }

  /** What `read` makes of a file; undefined when it can't be used, which is noted. */
  use<T>(
    key: readonly string[],
    file: string,
    expected: string,
    read: (name: string, text: string) => T,
  ): T | undefined {
    try {
      const bytes = readNamedFileSync(resolveIn(this.#around.folder, file), file);
      return read(file, bytes.toString("latin1"));
    } catch (error) {
      this.#around.note({ path: [...this.#path, ...key], message: problemOf(file, error), expected });
      return undefined;
    }
  }
}

function problemOf(file: string, error: unknown): string {
  if (error instanceof CertificateError) return error.message;
  return `${file}: ${(error as Error).message}`;
}
