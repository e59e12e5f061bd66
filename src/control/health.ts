import { within } from "../base/within.ts";

/** Where a process stands in its life. Only `ready` is for new clients. */
export type LifePhase = "starting" | "ready" | "draining";

/** What of the data plane tells how it is. */
export interface Examined {
  /** Kept when all threads have answered. */
  answered(): Promise<void>;
  /** How many workers have crashed so far. */
  readonly crashes: number;
}

/** How the data plane is. */
export interface ThreadHealth {
  /** False when one of the threads, or several, didn't answer in time. */
  readonly answer: boolean;
  readonly crashes: number;
}

/** Milliseconds for threads to answer. */
const IN_TIME = 1_000;

/** How the process is, for whoever watches over it. */
export class Health {
  phase: LifePhase = "starting";
  readonly #inTime: number;
  #examined: Examined | null = null;
  /** What was asked and isn't answered: whoever asks meanwhile waits for the same. */
  #asked: Promise<void> | null = null;

  /** @param inTime milliseconds */
  constructor(inTime: number = IN_TIME) {
    this.#inTime = inTime;
  }

  /** It listens. */
  begin(examined: Examined): void {
    this.#examined = examined;
    this.phase = "ready";
  }

  /** Kept when all threads have answered, which may be never. Rejects when there is none yet. */
  answered(): Promise<void> {
    if (this.#examined === null) return Promise.reject(new Error("Nothing runs yet"));
    this.#asked ??= this.#examined.answered().finally(() => {
      this.#asked = null;
    });
    return this.#asked;
  }

  /** How the threads of the data plane are; null before there are any. */
  async threads(): Promise<ThreadHealth | null> {
    if (this.#examined === null) return null;
    let answer = false;
    const asked = this.answered().then(
      () => {
        answer = true;
      },
      () => undefined,
    );
    await within(this.#inTime, asked);
    return { answer, crashes: this.#examined.crashes };
  }
}
