import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import type { BodyCoder, CoderOwner } from "../../proxy/body-coder.ts";
import type { CodingStream } from "./codings.ts";

/** What a coder makes of its body. */
export interface CoderWork {
  /** Bytes that may be held back to be coded in one go; with more, or when the sender pauses, it takes a stream. */
  readonly wholeUpTo: number;
  /** What becomes of a whole body; null: it takes a stream after all. @throws Error when it can't be coded */
  codeWhole(bytes: Buffer): Buffer | null;
  open(): CodingStream;
  /** What has the stream put out what it holds back; null: nothing has to. */
  readonly flushKind: number | null;
  /** Called with what has come in and gone out so far. @throws Error when that is too much */
  checkSizes(taken: number, made: number): void;
  /** Whose fault it is that it can't be coded. */
  toError(error: Error): Error;
}

/** Milliseconds without a word from the sender after which what came before isn't held back any longer. */
const PAUSE = 10;

/**
 * Codes one body. A short one is coded on the spot in one go, for changing threads would cost more; a longer one by a stream of
 * zlib's, whose work is done on the thread pool:
 *
 *     gathering ──▶ all of it came ──▶ coded in one go
 *         └──────▶ more than that, or the sender pauses ──▶ a stream, flushed whenever the sender pauses
 *
 * Of a body no more is held than what the stream takes at once: the owner is told to hold the sender.
 */
export class ZlibCoder implements BodyCoder {
  readonly #owner: CoderOwner;
  readonly #work: CoderWork;
  readonly #alarm: Alarm | null;
  readonly #clock: AlarmClock;
  #gathered: Buffer[] = [];
  #stream: CodingStream | null = null;
  #taken = 0;
  #made = 0;
  #lastPush = 0;
  #isPaused = false;
  #isEnded = false;
  #isStopped = false;

  constructor(owner: CoderOwner, work: CoderWork, clock: AlarmClock) {
    this.#owner = owner;
    this.#work = work;
    this.#clock = clock;
    this.#alarm = work.flushKind === null ? null : new Alarm(clock, () => this.#onAlarm());
  }

  push(bytes: Buffer, start: number, end: number): void {
    if (this.#isStopped) return;
    this.#taken += end - start;
    const piece = Buffer.from(bytes.subarray(start, end));
    if (this.#stream !== null) this.#write(piece);
    else {
      this.#gathered.push(piece);
      if (this.#taken > this.#work.wholeUpTo) this.#takeStream();
    }
    if (this.#alarm !== null && !this.#isStopped) this.#awaitPause(this.#alarm);
  }

  end(): void {
    if (this.#isStopped) return;
    this.#isEnded = true;
    this.#alarm?.clear();
    if (this.#stream === null && this.#codeGathered()) return;
    if (this.#isStopped) return;
    if (this.#stream === null) this.#takeStream();
    this.#stream!.end();
  }

  stop(): void {
    this.#isStopped = true;
    this.#alarm?.clear();
    this.#gathered = [];
    this.#stream?.destroy();
  }

  pause(): void {
    this.#isPaused = true;
    this.#stream?.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#stream?.resume();
  }

  /** @returns false when it takes a stream, or came to nothing */
  #codeGathered(): boolean {
    let whole: Buffer | null;
    try {
      whole = this.#work.codeWhole(this.#takeGathered());
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
    if (whole === null) return false;
    if (whole.length > 0) this.#owner.onCoded(whole, 0, whole.length);
    if (!this.#isStopped) this.#owner.onCodedEnd();
    return true;
  }

  #takeGathered(): Buffer {
    if (this.#gathered.length !== 1) this.#gathered = [Buffer.concat(this.#gathered)];
    return this.#gathered[0]!;
  }

  #takeStream(): void {
    const stream = this.#work.open();
    this.#stream = stream;
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    stream.on("drain", () => {
      if (!this.#isStopped) this.#owner.onCoderIdle();
    });
    stream.on("end", () => {
      if (!this.#isStopped) this.#owner.onCodedEnd();
    });
    stream.on("error", (error: Error) => this.#fail(error));
    if (this.#isPaused) stream.pause();
    const bytes = this.#takeGathered();
    this.#gathered = [];
    if (bytes.length > 0) this.#write(bytes);
  }

  #write(piece: Buffer): void {
    if (!this.#stream!.write(piece)) this.#owner.onCoderBusy();
  }

  #onData(bytes: Buffer): void {
    if (this.#isStopped) return;
    this.#made += bytes.length;
    try {
      this.#work.checkSizes(this.#taken, this.#made);
    } catch (error) {
      this.#fail(error as Error);
      return;
    }
    this.#owner.onCoded(bytes, 0, bytes.length);
  }

  #fail(error: Error): void {
    if (this.#isStopped) return;
    this.stop();
    this.#owner.onCoderFailed(this.#work.toError(error));
  }

  #awaitPause(alarm: Alarm): void {
    this.#lastPush = this.#clock.now();
    if (!alarm.isSet) alarm.set(this.#lastPush + PAUSE);
  }

  #onAlarm(): void {
    if (this.#isStopped || this.#isEnded) return;
    const due = this.#lastPush + PAUSE;
    if (this.#clock.now() < due) {
      this.#alarm!.set(due);
      return;
    }
    if (this.#stream === null) this.#takeStream();
    this.#stream!.flush(this.#work.flushKind!);
  }
}
