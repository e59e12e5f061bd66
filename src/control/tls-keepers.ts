import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { type AlarmClock, idleAlarms } from "../base/alarms.ts";
import type { TlsListenerSettings, TlsMaterial } from "../net/tls/listener-settings.ts";
import { type TicketHeritage, type TlsChange, TlsKeeper } from "../net/tls/tls-keeper.ts";
import { fromTicketMemory, type TicketMemory, toTicketMemory } from "./upgrade/ticket-memory.ts";

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
  readonly #kept = new Map<string, Kept>();
  /** What is to be kept instead, or besides, once it is settled that it is; null: nothing else is thought of. */
  #stage: Map<string, Kept> | null = null;
  readonly #memory: unknown;

  /** @param memory what `tickets` was in the process whose place this one takes; anything else is as nothing */
  constructor(log: Logger, clock: AlarmClock = idleAlarms, memory: unknown = null) {
    this.#log = log;
    this.#clock = clock;
    this.#memory = memory;
  }

  /** The ticket keys of all listeners, for a process that takes the place of this one. */
  async tickets(): Promise<TicketMemory> {
    const tickets = new Map<string, TicketHeritage>();
    for (const [owner, { keeper }] of this.#kept) tickets.set(owner, (await keeper).tickets);
    return toTicketMemory(tickets, this.#clock.now());
  }

  /**
   * What `owner` has now; reads its files when it is asked for the first time.
   * Rejects with a `CertificateError` when one can't be used.
   */
  async open(owner: string, settings: TlsListenerSettings): Promise<TlsMaterial> {
    return (await this.#known(owner, settings).keeper).material;
  }

  /** While it is thought of something else, those who run ask for the one, and those who are to run for the other. */
  #known(owner: string, settings: TlsListenerSettings): Kept {
    const [kept, stage] = [this.#kept.get(owner), this.#stage];
    const staged = stage?.get(owner);
    if (staged !== undefined && isSame(staged.settings, settings)) return staged;
    if (kept === undefined) return staged ?? this.#begin(this.#kept, owner, settings);
    if (stage === null || staged !== undefined || isSame(kept.settings, settings)) return kept;
    // Of a program's own listeners nobody knows before they ask.
    return this.#begin(stage, owner, settings);
  }

  /**
   * Makes ready what owners have by other settings than before; whose files stay the same goes on as it is. Whoever opens by
   * them gets that, and nobody else before it is committed. One at a time.
   * @param wanted owners with their settings, whether they are new or not
   * @throws what `open` throws, having changed nothing
   */
  async stage(wanted: ReadonlyMap<string, TlsListenerSettings>): Promise<TlsStage> {
    const stage = new Map<string, Kept>();
    this.#stage = stage;
    for (const [owner, settings] of wanted) {
      const known = this.#kept.get(owner);
      if (known === undefined || !isSame(known.settings, settings)) this.#begin(stage, owner, settings);
    }
    try {
      for (const [owner, { keeper }] of stage) await this.#inheritTickets(owner, await keeper);
    } catch (error) {
      this.#abandon(stage);
      throw error;
    }
    return { commit: (gone) => this.#commit(stage, gone), abandon: () => this.#abandon(stage) };
  }

  async #commit(stage: ReadonlyMap<string, Kept>, gone: readonly string[]): Promise<void> {
    this.#stage = null;
    for (const [owner, kept] of stage) {
      const keeper = await kept.keeper;
      await this.#inheritTickets(owner, keeper);
      this.release(owner);
      this.#kept.set(owner, kept);
      // It may have changed since it was opened, or somebody may have heard of what there was before.
      this.onMaterial?.(owner, keeper.material);
    }
    for (const owner of gone) this.release(owner);
  }

  #abandon(stage: ReadonlyMap<string, Kept>): void {
    this.#stage = null;
    for (const kept of stage.values()) stop(kept);
  }

  async #inheritTickets(owner: string, keeper: TlsKeeper): Promise<void> {
    const before = this.#kept.get(owner)?.keeper;
    if (before !== undefined) keeper.inheritTickets((await before).tickets);
  }

  /** Reads at once what has changed in files, wherever nobody has seen it yet. */
  async look(): Promise<void> {
    await Promise.all([...this.#kept.values()].map(async ({ keeper }) => (await keeper).look()));
  }

  /** Forgets what an owner had. */
  release(owner: string): void {
    const kept = this.#kept.get(owner);
    if (kept !== undefined) stop(kept);
    this.#kept.delete(owner);
  }

  /** Looks at no file any more. */
  stop(): void {
    for (const owner of [...this.#kept.keys()]) this.release(owner);
    for (const kept of this.#stage?.values() ?? []) stop(kept);
  }

  #begin(among: Map<string, Kept>, owner: string, settings: TlsListenerSettings): Kept {
    const kept = { settings, keeper: this.#keep(owner, settings) };
    among.set(owner, kept);
    // A failed attempt isn't remembered: the files may be good the next time.
    kept.keeper.catch(() => {
      if (among.get(owner) === kept) among.delete(owner);
    });
    return kept;
  }

  async #keep(owner: string, settings: TlsListenerSettings): Promise<TlsKeeper> {
    const log = this.#log;
    const keeper: TlsKeeper = new TlsKeeper(settings, this.#clock, {
      onMaterial: async (material, change) => {
        // Of what is staged nobody is told before it is the one that counts.
        if ((await this.#kept.get(owner)?.keeper) !== keeper) return;
        logChange(owner, change, log);
        this.onMaterial?.(owner, material);
      },
      onProblem: (problem) =>
        log.error({ listener: owner, problem }, "A file of TLS can't be used: what was there before stays"),
      onDoubt: (doubt) => log.warn({ listener: owner, doubt }, "A file of TLS is used, but doubtful"),
    });
    await keeper.load();
    await keeper.watch();
    const left = fromTicketMemory(this.#memory, this.#clock.now()).get(owner);
    if (left !== undefined) keeper.inheritTickets(left);
    return keeper;
  }
}

/** What is kept for one owner. */
interface Kept {
  readonly settings: TlsListenerSettings;
  readonly keeper: Promise<TlsKeeper>;
}

/** TLS that is ready to be used. Exactly one of both is to be called. */
export interface TlsStage {
  /** @param gone owners that are no more */
  commit(gone: readonly string[]): Promise<void>;
  abandon(): void;
}

function stop({ keeper }: Kept): void {
  keeper.then(
    (known) => known.stop(),
    () => undefined,
  );
}

/** Whether the same is kept by them; all else concerns threads. */
function isSame(one: TlsListenerSettings, other: TlsListenerSettings): boolean {
  return isDeepStrictEqual(keptPart(one), keptPart(other));
}

function keptPart({ certificates, clientCertificates, ticketRotation }: TlsListenerSettings): unknown {
  const { ca = [], crl = [] } = clientCertificates ?? {};
  return { certificates, ca, crl, ticketRotation };
}

function logChange(listener: string, change: TlsChange, log: Logger): void {
  switch (change.kind) {
    case "certificates":
      for (const { names, origin: file, notAfter } of change.certificates) {
        const valid_until = new Date(notAfter).toISOString();
        log.info({ listener, file, names, valid_until }, `Certificate of ${names[0] ?? file} was exchanged`);
      }
      return;
    case "clients":
      log.info({ listener, files: change.files }, "Other certificates are trusted");
      return;
    case "tickets":
      log.debug({ listener }, "Session tickets have a new key");
  }
}
