import { createSecureContext } from "node:tls";
import { describeThrown } from "../../base/errors.ts";
import { CertificateError, readChain } from "./pem-certificate.ts";
import { type FileReading, readNamedFile } from "./watched-files.ts";

/** What a file says about who is trusted. */
export interface TrustText {
  readonly kind: "ca" | "crl";
  readonly file: string;
  /** PEM, each certificate or list by itself. */
  readonly blocks: readonly string[];
}

const LISTS = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;

/** A file of certificates that may have signed others. */
export function authorityFile(file: string): FileReading<TrustText> {
  return reading("ca", file, (text) => readChain(file, text).map((one) => one.toString()));
}

/** A file of lists of revoked certificates: Node itself would take only the first one of it. */
export function revocationFile(file: string): FileReading<TrustText> {
  return reading("crl", file, (text) => readLists(file, text));
}

function reading(
  kind: TrustText["kind"],
  file: string,
  toBlocks: (text: string) => readonly string[],
): FileReading<TrustText> {
  return {
    files: [file],
    read: async () => ({ kind, file, blocks: toBlocks((await readNamedFile(file)).toString("latin1")) }),
    identityOf: ({ blocks }) => blocks.join(""),
  };
}

function readLists(file: string, text: string): readonly string[] {
  const blocks: readonly string[] = text.match(LISTS) ?? [];
  if (blocks.length === 0) throw new CertificateError(file, "holds no list of revoked certificates in PEM");
  try {
    createSecureContext({ crl: [...blocks] });
  } catch (error) {
    throw new CertificateError(
      file,
      `its list of revoked certificates can't be read: ${describeThrown(error)}`,
    );
  }
  return blocks;
}
