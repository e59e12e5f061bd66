import { within } from "../../base/within.ts";
import type { Channel } from "./channel.ts";
import { closeAll } from "./descriptors.ts";
import type { Estate } from "./estate.ts";
import type { Message } from "./frames.ts";
import { type CommandLine, type Launched, launch, testCommand } from "./launch.ts";
import { type Introduction, Renunciation } from "./manners.ts";
import { Successor } from "./successor.ts";

/** Why there is no successor. This process goes on as if nothing had been. */
class UpgradeError extends Error {
  override name = "UpgradeError";
}

/** What an upgrade is about to do, for people. */
export type OnProgress = (step: string) => void;

export interface UpgraderMeans {
  readonly self: Introduction;
  /** How a successor is started; null: sockets can't be handed over here. */
  readonly command: CommandLine | null;
  /** Kept when nothing else changes what this process runs, until the function is called that it is kept with. */
  pause(): Promise<() => void>;
  /** What a successor gets; its descriptors are closed here afterwards. */
  estate(): Promise<Estate>;
  /** Another process has taken the place: this one stops accepting, finishes what it has and ends. */
  onSucceeded(pid: number): void;
  /** A process that was given the place hasn't taken it: whatever it wrote down of that already isn't so. */
  onKept(pid: number): void;
}

/** Milliseconds. */
export const DEFAULT_UPGRADE_TIMEOUT = 60_000;

/**
 * Has another process take this one's place, one at a time. Whatever goes wrong before the successor has everything changes
 * nothing here: it is ended, and this process goes on.
 *
 *     SIGUSR2, `sluice upgrade` ──▶ start:    test ─▶ launch ─┐
 *                                                            ├─▶ settle ─▶ appoint ─▶ onSucceeded
 *     SIGQUIT ────────────────────▶ handOver: wait for one ──┘
 *                                                 ▲
 *     a successor started with -u ─▶ welcome ─────┘
 */
export class Upgrader {
  readonly #means: UpgraderMeans;
  #isBusy = false;
  #isSucceeded = false;
  #isOver = false;
  /** A successor that somebody started, and that waits to be told to take over. */
  #waiting: Successor | null = null;
  #arrival: PromiseWithResolvers<Successor> | null = null;
  /** Whom the place is given to; null: nobody yet. */
  #appointed: number | null = null;

  constructor(means: UpgraderMeans) {
    this.#means = means;
  }

  /**
   * Starts a successor as this process was started, once it has tested what it would run. Resolves with its process id when it has the place.
   * Rejects with an `UpgradeError`.
   * @param timeout milliseconds for all of it
   */
  start(timeout: number, onProgress: OnProgress = () => undefined): Promise<number> {
    return this.#exclusively(async () => {
      const { command } = this.#means;
      if (command === null) throw new Error("sockets can be handed over on Linux only, on x64 and arm64");
      const deadline = performance.now() + timeout;
      onProgress("Testing what the new process would run");
      await testCommand(command, timeout).catch((error: Error) => {
        throw new Error(`the test failed: ${error.message}`);
      });
      onProgress("Starting the new process");
      const launched = await launch(command);
      onProgress(`Process ${launched.pid} starts on the sockets of process ${this.#means.self.pid}`);
      return await this.#install(launched, Math.max(deadline - performance.now(), 1));
    });
  }

  /**
   * Hands over to a successor that somebody started, or starts in time. Resolves with its process id when it has the place.
   * Rejects with an `UpgradeError`.
   * @param timeout milliseconds for all of it
   */
  handOver(timeout: number, onProgress: OnProgress = () => undefined): Promise<number> {
    return this.#exclusively(async () => {
      const deadline = performance.now() + timeout;
      if (this.#waiting === null) onProgress("Waiting for a successor");
      const successor = await this.#nextSuccessor(timeout);
      onProgress(`Handing over to process ${successor.pid}`);
      const left = deadline - performance.now();
      return await this.#giveTo(Promise.resolve(successor), left, (reason) => successor.refuse(reason));
    });
  }

  /** Takes a successor that introduces itself: it waits until it is told to take over. */
  welcome(channel: Channel, hello: Message): void {
    const successor = Successor.greet(channel, hello);
    if (this.#isSucceeded) successor.refuse("another process has taken the place already");
    else if (this.#waiting !== null) successor.refuse(`process ${this.#waiting.pid} waits already`);
    else if (this.#arrival === null) this.#letWait(successor);
    else {
      this.#arrival.resolve(successor);
      this.#arrival = null;
    }
  }

  /** The process ends, and no other is to take its place; one that is about to isn't held up. */
  end(): void {
    this.#isOver = true;
  }

  #letWait(successor: Successor): void {
    this.#waiting = successor;
    void successor.gone.then(() => {
      if (this.#waiting === successor) this.#waiting = null;
    });
  }

  async #exclusively(work: () => Promise<number>): Promise<number> {
    if (this.#isSucceeded) throw new UpgradeError("Another process has taken the place already");
    if (this.#isOver) throw new UpgradeError("The process ends: no other takes its place any more");
    if (this.#isBusy) throw new UpgradeError("An upgrade is under way already");
    this.#isBusy = true;
    try {
      return await work();
    } catch (error) {
      if (this.#appointed !== null) this.#means.onKept(this.#appointed);
      throw new UpgradeError(`No upgrade: ${(error as Error).message}`, { cause: error });
    } finally {
      this.#appointed = null;
      this.#isBusy = false;
    }
  }

  async #nextSuccessor(timeout: number): Promise<Successor> {
    const successor = this.#waiting;
    this.#waiting = null;
    if (successor !== null) return successor;
    const arrival = Promise.withResolvers<Successor>();
    this.#arrival = arrival;
    return await inTime(arrival.promise, timeout, () => {
      this.#arrival = null;
    });
  }

  async #install(launched: Launched, timeout: number): Promise<number> {
    try {
      const giveUp = (reason: string): void => launched.channel.close(new Error(reason));
      const pid = await this.#giveTo(Successor.meet(launched.channel), timeout, giveUp);
      launched.release();
      return pid;
    } catch (error) {
      const { message } = error as Error;
      const end = await within(LAST_WORDS, launched.ended, () => null);
      if (end === null && error instanceof Renunciation) launched.release();
      else await launched.end();
      throw new Error(end === null ? message : `the new process ${end}: ${message}`);
    }
  }

  /** @param timeout milliseconds for it to get ready */
  async #giveTo(
    meeting: Promise<Successor>,
    timeout: number,
    giveUp: (reason: string) => void,
  ): Promise<number> {
    const { successor, goOn } = await inTime(this.#settle(meeting), timeout, giveUp);
    try {
      return await this.#appoint(successor);
    } finally {
      goOn();
    }
  }

  /** What is handed over stays as it is until it is decided whose it is: a reload would bind and close sockets. */
  async #settle(meeting: Promise<Successor>): Promise<{ successor: Successor; goOn: () => void }> {
    const successor = await meeting;
    const goOn = await this.#means.pause();
    try {
      await this.#handOverTo(successor);
      return { successor, goOn };
    } catch (error) {
      goOn();
      throw error;
    }
  }

  async #handOverTo(successor: Successor): Promise<void> {
    const estate = await this.#means.estate();
    try {
      await successor.settle(estate, this.#means.self);
    } finally {
      closeAll(estate.sockets.flatMap(({ descriptors }) => descriptors));
    }
  }

  /**
   * From here on the successor may have the place. Who gave it up because the time for all of it is over could leave two that
   * both think so: it has time of its own.
   */
  async #appoint(successor: Successor): Promise<number> {
    this.#appointed = successor.pid;
    await inTime(successor.appoint(), LONGEST_APPOINTMENT, (reason) => successor.refuse(reason));
    this.#isSucceeded = true;
    this.#means.onSucceeded(successor.pid);
    return successor.pid;
  }
}

/** Milliseconds for a successor to take the place once it is given to it: it has only its number to write down. */
const LONGEST_APPOINTMENT = 10_000;
/** Milliseconds between what a process says last and its end. */
const LAST_WORDS = 500;

/** Kept with what `work` is, if that comes in time. */
function inTime<T>(work: Promise<T>, timeout: number, giveUp: (reason: string) => void): Promise<T> {
  return within(timeout, work, () => {
    const reason = `it wasn't ready within ${Math.round(timeout / 100) / 10} seconds`;
    giveUp(reason);
    throw new Error(reason);
  });
}
