import { createSecureContext } from "node:tls";
import { describeThrown } from "../../base/errors.ts";
import type { FileReading } from "../../base/watched-files.ts";
import { type Life, readCrlLife } from "./crl-life.ts";
import { CertificateError, findDoubtOfLife, lifeOf, readChain } from "./pem-certificate.ts";
import { readNamedFile } from "./read-named-file.ts";

/** What a file says about who is trusted. */
export interface TrustText {
  readonly kind: "ca" | "crl";
  readonly file: string;
  /** PEM, each certificate or list by itself. */
  readonly blocks: readonly string[];
  /** From when to when each counts; null: not known. */
  readonly lives: readonly (Life | null)[];
}

const BEGIN = /-----BEGIN X509 CRL-----/g;
const LISTS = /-----BEGIN X509 CRL-----[^-]+-----END X509 CRL-----/g;

/** A file of certificates that may have signed others. */
export function authorityFile(file: string): FileReading<TrustText> {
  return reading("ca", file, (text) => {
    const certificates = readChain(file, text);
    return { blocks: certificates.map((one) => one.toString()), lives: certificates.map(lifeOf) };
  });
}

/** A file of lists of revoked certificates: Node itself would take only the first one of it. */
export function revocationFile(file: string): FileReading<TrustText> {
  return reading("crl", file, (text) => {
    const blocks = readLists(file, text);
    return { blocks, lives: blocks.map(readCrlLife) };
  });
}

/** What is doubtful at `now`, milliseconds since 1970: clients that depend on what doesn't count are refused. */
export function findTrustDoubts({ kind, file, lives }: TrustText, now: number): readonly string[] {
  return lives.flatMap((life, index) => {
    const doubt = life && findDoubtOfLife(life, now);
    return doubt === null ? [] : [`${file}: ${kind === "ca" ? "certificate" : "list"} ${index + 1} ${doubt}`];
  });
}

function reading(
  kind: TrustText["kind"],
  file: string,
  parse: (text: string) => Pick<TrustText, "blocks" | "lives">,
): FileReading<TrustText> {
  return {
    files: [file],
    read: async () => ({ kind, file, ...parse((await readNamedFile(file)).toString("latin1")) }),
    identityOf: ({ blocks }) => blocks.join(""),
  };
}

function readLists(file: string, text: string): readonly string[] {
  const blocks: readonly string[] = text.match(LISTS) ?? [];
  const begun = text.match(BEGIN)?.length ?? 0;
  if (begun === 0) throw new CertificateError(file, "holds no list of revoked certificates in PEM");
  if (begun > blocks.length)
    throw new CertificateError(file, "holds a list of revoked certificates that isn't whole");
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
