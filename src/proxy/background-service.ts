import type { MaybePromise } from "./phases.ts";
import type { Service, ServiceContext } from "./service.ts";

export interface BackgroundServiceOptions {
  readonly name: string;
  /**
   * Begins the work. The service is ready when this returns or its promise is kept, and only then those that depend on it
   * are started and listeners opened; so a first look-up is awaited here, and a loop that goes on for ever is not.
   * What it throws ends the server's start.
   */
  start(context: ServiceContext): MaybePromise<void>;
  /**
   * Ends the work. Called once when the server shuts down, after those that depend on it are done; awaited within the
   * grace period.
   */
  stop?(): MaybePromise<void>;
  /** Services that have to be ready before this one starts. */
  readonly dependsOn?: readonly string[];
  /** True for work of which there should be one in the process: it is done in the first thread only. */
  readonly once?: boolean;
}

/** A service without listeners: work beside the requests, such as looking up servers or refreshing a table. */
export function backgroundService(options: BackgroundServiceOptions): Service {
  return new BackgroundService(options);
}

class BackgroundService implements Service {
  readonly name: string;
  readonly listen: readonly string[] = [];
  readonly dependsOn: readonly string[];
  readonly once: boolean;
  readonly #options: BackgroundServiceOptions;
  /** It may end before the server does. */
  readonly #ending = new AbortController();
  /** Null unless there is something to stop. */
  #context: ServiceContext | null = null;

  constructor(options: BackgroundServiceOptions) {
    this.name = options.name;
    this.dependsOn = options.dependsOn ?? [];
    this.once = options.once ?? false;
    this.#options = options;
  }

  async start(context: ServiceContext): Promise<void> {
    const signal = AbortSignal.any([context.signal, this.#ending.signal]);
    await this.#options.start({ ...context, signal });
    this.#context = context;
  }

  /** It has no listener. */
  accept(): void {}

  async drain(): Promise<void> {
    this.#ending.abort();
    const context = this.#context;
    this.#context = null;
    if (context === null) return;
    try {
      await this.#options.stop?.();
    } catch (thrown) {
      context.reporter?.onServiceError(this.name, thrown);
    }
  }

  destroy(): void {
    void this.drain();
  }
}
