import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import { WatchedFiles } from "../../base/watched-files.ts";
import { CertificateFiles } from "./certificate-files.ts";
import type { TlsListenerSettings, TlsMaterial } from "./listener-settings.ts";
import type { Certificate } from "./pem-certificate.ts";
import { createTicketKey } from "./ticket-keys.ts";
import { authorityFile, findTrustDoubts, revocationFile, type TrustText } from "./trust-files.ts";

/** Why there is other material. */
export type TlsChange =
  | { readonly kind: "certificates"; readonly certificates: readonly Certificate[] }
  | { readonly kind: "clients"; readonly files: readonly string[] }
  | { readonly kind: "tickets" };

export interface TlsKeeperListener {
  /** All material, after some of it changed. */
  onMaterial(material: TlsMaterial, change: TlsChange): void;
  /** A changed file can't be used: what was read before stays. Said once for each problem. */
  onProblem(problem: string): void;
  /** Something is used, but is doubtful: a certificate has expired, say. */
  onDoubt(doubt: string): void;
}

/** Ticket keys that are in use. */
export interface TicketHeritage extends Pick<TlsMaterial, "ticketKeys"> {
  /** When there will be another one, by the keeper's clock; null: never. */
  readonly rotatesAt: number | null;
}

/** After this it is said again what is doubtful: certificates come to their end while they are served. */
const REMINDER = 24 * 3_600_000;

/** Keys that still open tickets beside the one that seals. */
const KEPT_KEYS = 2;

/**
 * All that one listener's TLS is made of: reads its files, reads them again whenever they change, and has the keys of its
 * session tickets follow each other.
 *
 *     ticket keys:  rotation ──▶ [new, last, before that] ──▶ what is older no longer opens anything
 */
export class TlsKeeper {
  readonly #settings: TlsListenerSettings;
  readonly #clock: AlarmClock;
  readonly #listener: TlsKeeperListener;
  readonly #certificates: CertificateFiles;
  readonly #trust: WatchedFiles<TrustText>;
  readonly #rotation: Alarm;
  readonly #reminder: Alarm;
  #rotatesAt = 0;
  #material: TlsMaterial = { certificates: [], ca: [], crl: [], ticketKeys: [createTicketKey()] };

  constructor(settings: TlsListenerSettings, clock: AlarmClock, listener: TlsKeeperListener) {
    const { certificates, clientCertificates } = settings;
    const { ca = [], crl = [] } = clientCertificates ?? {};
    this.#settings = settings;
    this.#clock = clock;
    this.#listener = listener;
    this.#certificates = new CertificateFiles(certificates, clock, {
      onCertificates: (all, changed) =>
        this.#change({ certificates: all }, { kind: "certificates", certificates: changed }),
      onProblem: (problem) => listener.onProblem(problem),
      onDoubt: (doubt) => listener.onDoubt(doubt),
    });
    this.#trust = new WatchedFiles([...ca.map(authorityFile), ...crl.map(revocationFile)], clock, {
      onChange: (texts, changed) => {
        this.#doubt(changed);
        this.#change(toTrust(texts), { kind: "clients", files: changed.map(({ file }) => file) });
      },
      onProblem: (problem) => listener.onProblem(problem),
    });
    this.#rotation = new Alarm(clock, () => this.#rotate());
    this.#reminder = new Alarm(clock, () => this.#remind());
  }

  /** As it is now; without certificates before `load`. */
  get material(): TlsMaterial {
    return this.#material;
  }

  /**
   * Reads all files for the first time; the listener hears of doubts only.
   * @throws CertificateError for the first file that can't be used
   */
  async load(): Promise<TlsMaterial> {
    const certificates = await this.#certificates.load();
    const texts = await this.#trust.load();
    this.#doubt(texts);
    this.#material = { ...this.#material, ...toTrust(texts), certificates };
    return this.#material;
  }

  /** Looks out for changes from now on, and lets the ticket keys change; only after `load`. */
  async watch(): Promise<void> {
    this.#setRotation();
    this.#setReminder();
    await Promise.all([this.#certificates.watch(), this.#trust.watch()]);
  }

  stop(): void {
    this.#rotation.clear();
    this.#reminder.clear();
    this.#certificates.stop();
    this.#trust.stop();
  }

  /** Reads again what has changed, at once. */
  async look(): Promise<void> {
    await Promise.all([this.#certificates.look(), this.#trust.look()]);
  }

  /**
   * Goes on with the ticket keys of another, which they had been rotated by until now: sessions that its clients have are taken
   * up here. Nobody is told.
   */
  inheritTickets({ ticketKeys, rotatesAt }: TicketHeritage): void {
    this.#material = { ...this.#material, ticketKeys };
    if (!this.#rotation.isSet || rotatesAt === null) return;
    this.#rotatesAt = Math.min(this.#rotatesAt, rotatesAt);
    this.#rotation.set(this.#rotatesAt);
  }

  /** What another keeper goes on with. */
  get tickets(): TicketHeritage {
    return {
      ticketKeys: this.#material.ticketKeys,
      rotatesAt: this.#rotation.isSet ? this.#rotatesAt : null,
    };
  }

  #rotate(): void {
    const { ticketKeys } = this.#material;
    this.#setRotation();
    this.#change({ ticketKeys: [createTicketKey(), ...ticketKeys.slice(0, KEPT_KEYS)] }, { kind: "tickets" });
  }

  #setRotation(): void {
    const { ticketRotation } = this.#settings;
    if (ticketRotation === 0) return;
    this.#rotatesAt = this.#clock.now() + ticketRotation;
    this.#rotation.set(this.#rotatesAt);
  }

  #remind(): void {
    this.#setReminder();
    this.#certificates.sayDoubts();
    this.#doubt(this.#trust.values);
  }

  #doubt(texts: readonly TrustText[]): void {
    const now = Date.now();
    for (const doubt of texts.flatMap((text) => findTrustDoubts(text, now))) this.#listener.onDoubt(doubt);
  }

  #setReminder(): void {
    this.#reminder.set(this.#clock.now() + REMINDER);
  }

  #change(part: Partial<TlsMaterial>, change: TlsChange): void {
    this.#material = { ...this.#material, ...part };
    this.#listener.onMaterial(this.#material, change);
  }
}

function toTrust(texts: readonly TrustText[]): Pick<TlsMaterial, "ca" | "crl"> {
  const blocksOf = (kind: TrustText["kind"]): string[] =>
    texts.flatMap((text) => (text.kind === kind ? text.blocks : []));
  return { ca: blocksOf("ca"), crl: blocksOf("crl") };
}
