import type { Logger } from "pino";
import { type AlarmClock, idleAlarms } from "../base/alarms.ts";
import type { TlsListenerSettings, TlsMaterial } from "../net/tls/listener-settings.ts";
import { type TlsChange, TlsKeeper } from "../net/tls/tls-keeper.ts";

/**
 * What the TLS of all listeners is made of, kept by the main thread: files are read and ticket keys are made here alone, and
 * all threads get the same. What happens is written to the log once.
 *
 *     files, time ──▶ TlsKeeper ──▶ onMaterial ──▶ the order "setTls" ──▶ every thread
 *                         ▲
 *                         └─ open: asked by each thread, and by those that replace others
 */
export class TlsKeepers {
  /** Hears of material that replaces what was given before. */
  onMaterial: ((owner: string, material: TlsMaterial) => void) | null = null;
  readonly #log: Logger;
  readonly #clock: AlarmClock;
  readonly #keepers = new Map<string, Promise<TlsKeeper>>();

  constructor(log: Logger, clock: AlarmClock = idleAlarms) {
    this.#log = log;
    this.#clock = clock;
  }

  /**
   * What `owner` has now; reads its files when it is asked for the first time.
   * Rejects with a `CertificateError` when one can't be used.
   */
  async open(owner: string, settings: TlsListenerSettings): Promise<TlsMaterial> {
    const keeper = this.#keepers.getOrInsertComputed(owner, () => this.#keep(owner, settings));
    // A failed attempt isn't remembered: the files may be good the next time.
    keeper.catch(() => {
      if (this.#keepers.get(owner) === keeper) this.#keepers.delete(owner);
    });
    return (await keeper).material;
  }

  /** Forgets what an owner had. */
  release(owner: string): void {
    this.#keepers.get(owner)?.then(
      (keeper) => keeper.stop(),
      () => undefined,
    );
    this.#keepers.delete(owner);
  }

  /** Looks at no file any more. */
  stop(): void {
    for (const owner of [...this.#keepers.keys()]) this.release(owner);
  }

  async #keep(owner: string, settings: TlsListenerSettings): Promise<TlsKeeper> {
    const log = this.#log.child({ listener: owner });
    const keeper = new TlsKeeper(settings, this.#clock, {
      onMaterial: (material, change) => {
        logChange(change, log);
        this.onMaterial?.(owner, material);
      },
      onProblem: (problem) =>
        log.error({ problem }, "A file of TLS can't be used: what was there before stays"),
      onDoubt: (doubt) => log.warn({ doubt }, "A file of TLS is used, but doubtful"),
    });
    await keeper.load();
    await keeper.watch();
    return keeper;
  }
}

function logChange(change: TlsChange, log: Logger): void {
  switch (change.kind) {
    case "certificates":
      for (const { names, origin: file, notAfter } of change.certificates) {
        const valid_until = new Date(notAfter).toISOString();
        log.info({ file, names, valid_until }, `Certificate of ${names[0] ?? file} was exchanged`);
      }
      return;
    case "clients":
      log.info({ files: change.files }, "Other clients' certificates are let in");
      return;
    case "tickets":
      log.debug("Session tickets have a new key");
  }
}
