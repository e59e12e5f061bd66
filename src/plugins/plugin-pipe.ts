import { isThenable } from "../base/errors.ts";
import {
  type LossListener,
  type MaybeLater,
  MOST_INPUT,
  type PluginConnection,
  type PluginDirection,
  type Transformed,
} from "./plugin.ts";

/** Where bytes go that came through plugins, and who is slowed down while one takes its time. */
export interface PipeOwner {
  /** Bytes came through. They are borrowed. */
  onPiped(bytes: Buffer, start: number, end: number): void;
  onPipedEnd(): void;
  /** Bytes wait for a plugin: nothing should be pushed until `onPipeIdle`; what is pushed all the same waits, too. */
  onPipeBusy(): void;
  /** No plugin takes its time any more, and nothing waits. Also said where nothing had to wait. */
  onPipeIdle(): void;
  /**
   * Nothing comes through any more.
   * @param error what a plugin did wrong; null: it wants the connection to be closed
   */
  onPipeFailed(error: Error | null): void;
}

/** Bytes on their way, or the end of them. */
interface Piece {
  /** Null for the end. */
  readonly bytes: Buffer | null;
  /** The plugin that they come to next. */
  readonly at: number;
}

const NO_BYTES = Buffer.alloc(0);

/**
 * One direction of a connection through its plugins, in order. Plugins that answer at once cost no promise; while one takes its
 * time, what comes behind waits. The sender is only held once something does: to have every chunk held and released would cost
 * those two system calls each who never send the next one before.
 */
export class PluginPipe implements LossListener {
  readonly #stages: readonly PluginConnection[];
  readonly #direction: PluginDirection;
  readonly #owner: PipeOwner;
  #waiting: Piece[] = [];
  #isBusy = false;
  /** True between `onPipeBusy` and `onPipeIdle`. */
  #isHeld = false;
  #isStopped = false;
  #isEnded = false;

  constructor(stages: readonly PluginConnection[], direction: PluginDirection, owner: PipeOwner) {
    this.#stages = stages;
    this.#direction = direction;
    this.#owner = owner;
    for (const stage of stages) stage.watch?.(this);
  }

  /** @internal a plugin is gone, with all that it knew */
  onLost(error: Error): void {
    if (!this.#isEnded) this.#fail(error);
  }

  /** True while a plugin takes its time. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Takes borrowed bytes in. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#isBusy) this.#keep(bytes, start, end, 0);
    else this.#through(bytes, start, end, 0);
  }

  /** The sender has ended this direction. */
  end(): void {
    if (this.#isBusy) this.#waiting.push({ bytes: null, at: 0 });
    else this.#endAt(0);
  }

  /** Nobody wants what still comes. */
  stop(): void {
    this.#isStopped = true;
    this.#waiting = [];
  }

  #keep(bytes: Buffer, start: number, end: number, at: number): void {
    if (this.#isStopped) return;
    this.#waiting.push({ bytes: Buffer.from(bytes.subarray(start, end)), at });
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#owner.onPipeBusy();
  }

  /** Takes bytes through the plugins from `at` on, each as much as it can be given at once. */
  #through(bytes: Buffer, start: number, end: number, at: number): void {
    const stage = this.#stages[at];
    if (stage === undefined) {
      this.#owner.onPiped(bytes, start, end);
      return;
    }
    for (let from = start; from < end && !this.#isStopped; from += MOST_INPUT) {
      if (this.#isBusy) {
        this.#keep(bytes, from, end, at);
        return;
      }
      this.#call(stage, bytes, from, Math.min(from + MOST_INPUT, end), at);
    }
  }

  /** Tells the plugins from `at` on that this was all; what they held back goes on before. */
  #endAt(at: number): void {
    for (let next = at; next < this.#stages.length && !this.#isStopped; next++) {
      this.#call(this.#stages[next]!, NO_BYTES, 0, 0, next);
      if (this.#isBusy) {
        this.#waiting.push({ bytes: null, at: next + 1 });
        return;
      }
    }
    if (this.#isStopped) return;
    this.#isEnded = true;
    this.#owner.onPipedEnd();
  }

  #call(stage: PluginConnection, bytes: Buffer, start: number, end: number, at: number): void {
    let result: MaybeLater<Transformed>;
    try {
      result = stage.transform(this.#direction, bytes, start, end);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    if (isThenable(result)) this.#wait(result, at + 1);
    else this.#take(result, at + 1);
  }

  #take(result: Transformed, at: number): void {
    if (result === null) this.#fail(null);
    else if (result.length > 0) this.#through(this.#lasting(result, at), 0, result.length, at);
  }

  /** Of what the next one gets in several pieces, the later ones lie where a plugin that is named twice writes what it makes of the first. */
  #lasting(result: Buffer, at: number): Buffer {
    return result.length > MOST_INPUT && at < this.#stages.length ? Buffer.from(result) : result;
  }

  #wait(later: PromiseLike<Transformed>, at: number): void {
    this.#isBusy = true;
    later.then(
      (result) => this.#goOn(result, at),
      (error: Error) => this.#fail(error),
    );
  }

  /** The answer is there: it goes before everything that waits, and so does what becomes of it. */
  #goOn(result: Transformed, at: number): void {
    if (this.#isStopped) return;
    this.#isBusy = false;
    this.#before(() => this.#take(result, at));
    while (!this.#isBusy && !this.#isStopped) {
      const piece = this.#waiting.shift();
      if (piece === undefined) {
        this.#isHeld = false;
        this.#owner.onPipeIdle();
        return;
      }
      this.#before(() => this.#run(piece));
    }
  }

  #run({ bytes, at }: Piece): void {
    if (bytes === null) this.#endAt(at);
    else this.#through(bytes, 0, bytes.length, at);
  }

  /** What has to wait of `work` comes before what waits already. */
  #before(work: () => void): void {
    const later = this.#waiting;
    this.#waiting = [];
    work();
    if (!this.#isStopped) this.#waiting.push(...later);
  }

  #fail(error: Error | null): void {
    if (this.#isStopped) return;
    this.stop();
    this.#owner.onPipeFailed(error);
  }
}
