import type { AlarmClock } from "../../base/alarms.ts";
import { type FileReading, WatchedFiles } from "../../base/watched-files.ts";
import { type Certificate, findDoubts, readCertificate } from "./pem-certificate.ts";
import { readNamedFile } from "./read-named-file.ts";

/** Files that make up a certificate. Relative paths start at the working directory. */
export interface CertificateSource {
  /** PEM: the certificate, then those that signed it, each after the one it signed. */
  readonly cert: string;
  /** PEM; the file of the certificate may hold it too. */
  readonly key: string;
  readonly passphrase?: string;
  /** An OCSP response, DER. */
  readonly ocsp?: string;
  /** Host names and wildcards (`*.example.com`) to use it for; those that it has itself when absent. */
  readonly names?: readonly string[];
}

export interface CertificateListener {
  /** All certificates, after some of them changed, and those that did. */
  onCertificates(certificates: readonly Certificate[], changed: readonly Certificate[]): void;
  /** A changed file can't be used: what was read before stays. Said once for each problem. */
  onProblem(problem: string): void;
  /** A certificate is used, but something about it is doubtful: it has expired, say. */
  onDoubt(doubt: string): void;
}

/** Certificates from files, read again whenever these change. */
export class CertificateFiles {
  readonly #listener: CertificateListener;
  readonly #files: WatchedFiles<Certificate>;

  constructor(sources: readonly CertificateSource[], clock: AlarmClock, listener: CertificateListener) {
    this.#listener = listener;
    this.#files = new WatchedFiles(sources.map(toReading), clock, {
      onChange: (certificates, changed) => {
        this.#doubt(changed);
        listener.onCertificates(certificates, changed);
      },
      onProblem: (problem) => listener.onProblem(problem),
    });
  }

  /**
   * Reads all of them for the first time; the listener hears of doubts only.
   * @throws CertificateError for the first that can't be used
   */
  async load(): Promise<readonly Certificate[]> {
    const certificates = await this.#files.load();
    this.sayDoubts();
    return certificates;
  }

  /** Looks out for changes from now on; only after `load`. */
  watch(): Promise<void> {
    return this.#files.watch();
  }

  stop(): void {
    this.#files.stop();
  }

  /** Reads again what has changed, at once. */
  look(): Promise<void> {
    return this.#files.look();
  }

  /** Tells the listener what is doubtful about all of them now. */
  sayDoubts(): void {
    this.#doubt(this.#files.values);
  }

  #doubt(certificates: readonly Certificate[]): void {
    for (const certificate of certificates) {
      for (const doubt of findDoubts(certificate, Date.now()))
        this.#listener.onDoubt(`${certificate.origin}: ${doubt}`);
    }
  }
}

function toReading(source: CertificateSource): FileReading<Certificate> {
  const { cert, key, ocsp } = source;
  return {
    files: [cert, key, ...(ocsp === undefined ? [] : [ocsp])],
    read: () => readSource(source),
    identityOf: ({ identity }) => identity,
  };
}

async function readSource({ cert, key, ocsp, passphrase, names }: CertificateSource): Promise<Certificate> {
  const [certText, keyText] = [await readNamedFile(cert), await readNamedFile(key)];
  return readCertificate({
    certFile: cert,
    cert: certText.toString("latin1"),
    keyFile: key,
    key: keyText.toString("latin1"),
    passphrase,
    statusFile: ocsp,
    status: ocsp === undefined ? undefined : await readNamedFile(ocsp),
    names,
  });
}
