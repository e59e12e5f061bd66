import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import type { Scenario } from "../config/scenario.ts";
import type { AdminSettings } from "../config/snapshot.ts";
import type { Ending } from "../control/ending.ts";
import type { Health } from "../control/health.ts";
import type { HeldPidFile } from "../control/reload/held-pid-file.ts";
import { Mount, type Mounted } from "../control/reload/mount.ts";
import { NOTHING_TO_DO, type PreparePart, type ReadyPart } from "../control/reload/part.ts";
import type { ReloadControl } from "../control/reload/reload-control.ts";
import type { Running } from "../control/running.ts";
import type { EndTerms, SignalTable } from "../control/signals.ts";
import type { Upgrader } from "../control/upgrade/upgrader.ts";
import { formatAddress } from "../net/address.ts";
import { closeErrorLog, createErrorLog, type ErrorLogOptions, turnErrorLog } from "../observe/error-log.ts";
import type { MountedApi } from "./admin-api.ts";
import { apiAddress } from "./api-address.ts";
import type { MountedHealth } from "./health.ts";
import type { Life } from "./life.ts";
import type { Play } from "./scenario.ts";
import type { ServeSettings } from "./serve-settings.ts";

export interface BesideMeans {
  readonly running: Running;
  readonly health: Health;
  readonly upgrader: Upgrader;
  readonly reloads: ReloadControl;
  readonly log: Logger;
  /** Lines are printed for programs. */
  readonly json: boolean;
}

/**
 * What runs beside the proxy, and changes with it: the admin API, the answers to orchestrators, a scenario, the log of the
 * process, the file with its number, and how long its end may take.
 */
export class Beside implements AsyncDisposable {
  readonly pidFile: HeldPidFile;
  /** As it is now. */
  settings: ServeSettings;
  readonly #means: BesideMeans;
  readonly #admin: Mount<AdminSettings, MountedApi>;
  readonly #health: Mount<string, MountedHealth>;
  #play: Play | null = null;

  private constructor(settings: ServeSettings, pidFile: HeldPidFile, means: BesideMeans) {
    this.settings = settings;
    this.pidFile = pidFile;
    this.#means = means;
    this.#admin = adminMount(means);
    this.#health = healthMount(means);
  }

  /** Rejects when something can't be listened on; then nothing is. */
  static async open(settings: ServeSettings, pidFile: HeldPidFile, means: BesideMeans): Promise<Beside> {
    const beside = new Beside(settings, pidFile, means);
    try {
      await beside.#admin.open(settings.admin);
      await beside.#health.open(settings.process.health);
      if (settings.scenario !== null) beside.#play = await play(settings.scenario, settings, means);
      return beside;
    } catch (error) {
      await beside[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What is to be got ready for other settings, each by itself. */
  prepare(next: ServeSettings): PreparePart[] {
    return [
      async () => this.#admin.prepare(next.admin),
      async () => this.#health.prepare(next.process.health),
      async () => this.pidFile.prepare(next.pidFile),
      async () => this.#prepareLog(next.spec.errorLog),
      async () => this.#prepareScenario(next),
      async () => ({
        commit: () => {
          this.settings = next;
        },
        abandon: () => undefined,
      }),
    ];
  }

  /** How the process is to end, by the settings that it has by then. */
  termsOfEnd(ending: Ending, signals: SignalTable, life: Pick<Life, "end">): EndTerms {
    const current = (): ServeSettings => this.settings;
    return {
      get grace() {
        return current().grace;
      },
      get delay() {
        return current().process.shutdownDelay;
      },
      ...{ signals, ending, onEnd: (how) => life.end(how) },
    };
  }

  async #prepareLog(options: ErrorLogOptions): Promise<ReadyPart> {
    if (isDeepStrictEqual(options, this.settings.spec.errorLog)) return NOTHING_TO_DO;
    const log = await createErrorLog(options, "sluice");
    return { commit: () => turnErrorLog(this.#means.log, log), abandon: () => closeErrorLog(log) };
  }

  /** One that stays the same is played on. */
  #prepareScenario(next: ServeSettings): ReadyPart {
    const { scenario } = next;
    if (isDeepStrictEqual(scenario, this.settings.scenario)) return NOTHING_TO_DO;
    return {
      commit: async () => {
        await this.#play?.stop();
        this.#play = scenario === null ? null : await play(scenario, next, this.#means);
      },
      abandon: () => undefined,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#play?.stop();
    await this.#health.close();
    await this.#admin.close();
  }
}

async function play(
  scenario: Scenario,
  { spec }: ServeSettings,
  { running, log }: BesideMeans,
): Promise<Play> {
  const { playBeside } = await import("./scenario.ts");
  return playBeside(scenario, running.steering, spec.seed, log);
}

function adminMount(means: BesideMeans): Mount<AdminSettings, MountedApi> {
  const { running, health, upgrader, reloads, log, json } = means;
  const onError = (error: unknown): void => log.error({ error }, "The admin API failed");
  return new Mount({
    mount: async ({ bind, token }) => {
      const { mountApi } = await import("./admin-api.ts");
      return await mountApi({ running, health, upgrader, reloads, address: bind, token, onError });
    },
    placeOf: ({ bind }) => formatAddress(apiAddress(bind)),
    adapt: (api, { token }) => api.setToken(token),
    onMounted: (api) => announceMounted("api", "Admin API on http://%", api, json),
  });
}

function healthMount({ running, health, json }: BesideMeans): Mount<string, MountedHealth> {
  return new Mount({
    mount: async (address) => {
      const { mountHealth } = await import("./health.ts");
      return await mountHealth(address, health, running);
    },
    placeOf: (address) => address,
    onMounted: (mounted) => announceMounted("health", "Health on http://%/health/ready", mounted, json),
  });
}

/** @param text for people; `%` stands for the address */
function announceMounted(event: string, text: string, { address }: Mounted, json: boolean): void {
  const line = json ? JSON.stringify({ event, address: `http://${address}` }) : text.replace("%", address);
  process.stdout.write(`${line}\n`);
}
