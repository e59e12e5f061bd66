import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { describeThrown } from "../../base/errors.ts";
import { FolderWatch } from "../../base/folder-watch.ts";
import { type Certificate, CertificateError, findDoubts, readCertificate } from "./pem-certificate.ts";

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
  /** All certificates, after some of them changed. */
  onCertificates(certificates: readonly Certificate[]): void;
  /** A changed file can't be used: what was read before stays. Said once for each problem. */
  onProblem(problem: string): void;
  /** A certificate is used, but something about it is doubtful: it has expired, say. */
  onDoubt(doubt: string): void;
}

/** Whatever happens, the files are read again after this: file systems of other machines tell nobody of changes. */
const POLL_INTERVAL = 5_000;
/** A certificate and its key are exchanged one after the other, and neither is written whole at once. */
const SETTLING = 100;
const LONGEST_SETTLING = 400;

/** Certificates from files, read again whenever these change. */
export class CertificateFiles {
  readonly #entries: readonly Entry[];
  readonly #clock: AlarmClock;
  readonly #listener: CertificateListener;
  readonly #watches: readonly FolderWatch[];
  readonly #alarm: Alarm;
  #changedAt: number | null = null;
  #looking = false;
  #stopped = false;

  constructor(sources: readonly CertificateSource[], clock: AlarmClock, listener: CertificateListener) {
    this.#entries = sources.map((source) => new Entry(source));
    this.#clock = clock;
    this.#listener = listener;
    const folders = new Set(this.#entries.flatMap((entry) => entry.files.map((file) => dirname(file))));
    this.#watches = [...folders].map((folder) => new FolderWatch(folder, () => this.#onChange()));
    this.#alarm = new Alarm(clock, () => void this.look());
  }

  /**
   * Reads all of them for the first time; the listener hears of doubts only.
   * @throws CertificateError for the first that can't be used
   */
  async load(): Promise<readonly Certificate[]> {
    for (const entry of this.#entries) {
      const certificate = await entry.read();
      if (certificate !== null) this.#doubt(certificate);
    }
    return this.#certificates;
  }

  /** Looks out for changes from now on. */
  async watch(): Promise<void> {
    await this.#renewWatches();
    this.#setAlarm(this.#clock.now() + POLL_INTERVAL);
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
    for (const watch of this.#watches) watch.stop();
  }

  /** Reads again what has changed, at once. */
  async look(): Promise<void> {
    if (this.#looking || this.#stopped) return;
    this.#looking = true;
    this.#changedAt = null;
    await this.#renewWatches();
    let changed = false;
    let again = false;
    for (const entry of this.#entries) {
      const outcome = await entry.reread();
      if (outcome === "changed") {
        changed = true;
        this.#doubt(entry.certificate!);
      } else if (outcome === "suspect") again = true;
      else if (outcome !== "same") this.#listener.onProblem(outcome.message);
    }
    this.#looking = false;
    if (this.#stopped) return;
    if (changed) this.#listener.onCertificates(this.#certificates);
    // Something changed while the files were read.
    const isStale = again || this.#changedAt !== null;
    this.#setAlarm(this.#clock.now() + (isStale ? SETTLING : POLL_INTERVAL));
  }

  get #certificates(): readonly Certificate[] {
    return this.#entries.map((entry) => entry.certificate).filter((one) => one !== null);
  }

  async #renewWatches(): Promise<void> {
    for (const watch of this.#watches) await watch.renew();
    if (this.#stopped) for (const watch of this.#watches) watch.stop();
  }

  #onChange(): void {
    if (this.#stopped) return;
    const now = this.#clock.now();
    this.#changedAt ??= now;
    if (!this.#looking) this.#setAlarm(Math.min(now + SETTLING, this.#changedAt + LONGEST_SETTLING));
  }

  #setAlarm(at: number): void {
    if (!this.#stopped) this.#alarm.set(at);
  }

  #doubt(certificate: Certificate): void {
    for (const doubt of findDoubts(certificate, Date.now())) {
      this.#listener.onDoubt(`${certificate.origin}: ${doubt}`);
    }
  }
}

/** One certificate's files, and what they last held that could be used. */
class Entry {
  certificate: Certificate | null = null;
  readonly files: readonly string[];
  readonly #source: CertificateSource;
  #problem: string | null = null;
  #isTold = false;

  constructor(source: CertificateSource) {
    const { cert, key, ocsp } = source;
    this.#source = source;
    this.files = [cert, key, ...(ocsp === undefined ? [] : [ocsp])].map((file) => resolve(file));
  }

  async read(): Promise<Certificate | null> {
    const { cert, key, ocsp, passphrase, names } = this.#source;
    const [certText, keyText] = [await readNamed(cert), await readNamed(key)];
    this.certificate = readCertificate({
      certFile: cert,
      cert: certText.toString("latin1"),
      keyFile: key,
      key: keyText.toString("latin1"),
      passphrase,
      statusFile: ocsp,
      status: ocsp === undefined ? undefined : await readNamed(ocsp),
      names,
    });
    return this.certificate;
  }

  /** "suspect" when the files can't be used, but were perhaps read in the middle of a change: look again soon. */
  async reread(): Promise<"same" | "changed" | "suspect" | Error> {
    const before = this.certificate;
    try {
      const after = await this.read();
      this.#problem = null;
      this.#isTold = false;
      return after?.identity === before?.identity ? "same" : "changed";
    } catch (error) {
      return this.#fail(describeThrown(error));
    }
  }

  #fail(problem: string): "same" | "suspect" | Error {
    const isNew = problem !== this.#problem;
    this.#problem = problem;
    if (isNew) this.#isTold = false;
    if (this.#isTold) return "same";
    if (isNew) return "suspect";
    this.#isTold = true;
    return new Error(problem);
  }
}

async function readNamed(file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new CertificateError(file, isMissing ? "there is no such file" : describeThrown(error));
  }
}
