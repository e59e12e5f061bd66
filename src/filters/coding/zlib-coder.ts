import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import type { BodyCoder, CoderOwner } from "../../proxy/body-coder.ts";
import type { CodingStream } from "./codings.ts";

/** What a coder makes of its body. */
export interface CoderWork {
  /** Bytes that may be held back to be coded in one go; with more, or when the sender pauses, it takes a stream. */
  readonly wholeUpTo: number;
  /** What becomes of a whole body; null: it takes a stream after all. @throws Error when it can't be coded */
  codeWhole(bytes: Buffer): Buffer | null;
  /** @param length of the body; null: nobody knows */
  open(length: number | null): CodingStream;
  /** What has the stream put out what it holds back; null: nothing has to. */
  readonly flushKind: number | null;
  /** Called with what has come in and gone out so far. @throws Error when that is too much */
  checkSizes(taken: number, made: number): void;
  /** Whose fault it is that it can't be coded. */
  toError(error: Error): Error;
}

/** Milliseconds without a word from the sender after which what came before isn't held back any longer. */
const PAUSE = 10;
/** Bytes that go to a stream together: each time they change threads, which takes as long as to compress 2 KiB. */
const BATCH = 64 * 1024;

/**
 * Codes one body. A short one is coded on the spot in one go, for changing threads would cost more; a longer one by a stream of
 * zlib's, whose work is done on the thread pool, in batches:
 *
 *     all of it came at once, and is short ────────▶ coded where it lies
 *     gathering ──▶ all of it came, and is short ──▶ coded in one go
 *         └──────▶ a batch, or the sender pauses ──▶ a stream, flushed whenever the sender pauses
 *
 * Of a body no more is held than two batches: the owner is told to hold the sender.
 */
export class ZlibCoder implements BodyCoder {
  readonly #owner: CoderOwner;
  readonly #work: CoderWork;
  /** Set when something is held back; null where nothing ever is, and before that. */
  #alarm: Alarm | null = null;
  readonly #clock: AlarmClock;
  readonly #length: number | null;
  /** What waits for its batch. */
  #gathered: Buffer[] = [];
  #waiting = 0;
  #stream: CodingStream | null = null;
  #isWriting = false;
  #isBusy = false;
  #taken = 0;
  #made = 0;
  #lastPush = 0;
  #isPaused = false;
  /** Whether all of it is out. */
  #isCoded = false;
  #isEnded = false;
  #isStopped = false;

  /** @param length of the body, before it is coded; null: nobody knows */
  constructor(owner: CoderOwner, work: CoderWork, clock: AlarmClock, length: number | null = null) {
    this.#owner = owner;
    this.#work = work;
    this.#clock = clock;
    this.#length = length;
  }

  push(bytes: Buffer, start: number, end: number): void {
    if (this.#isStopped) return;
    if (end - start === this.#length && this.#length <= this.#work.wholeUpTo) {
      this.#taken = this.#length;
      this.#isCoded = this.#codeWhole(bytes.subarray(start, end));
      if (this.#isCoded || this.#isStopped) return;
      this.#taken = 0;
    }
    this.#gathered.push(Buffer.from(bytes.subarray(start, end)));
    this.#taken += end - start;
    this.#waiting += end - start;
    this.#writeBatch();
    if (this.#waiting >= BATCH && !this.#isBusy && !this.#awaitsWhole) {
      this.#isBusy = true;
      this.#owner.onCoderBusy();
    }
    if (this.#work.flushKind !== null && !this.#isStopped) this.#awaitPause();
  }

  end(): void {
    if (this.#isStopped) return;
    this.#isEnded = true;
    this.#alarm?.clear();
    if (!this.#isCoded && this.#stream === null && this.#taken <= this.#work.wholeUpTo)
      this.#isCoded = this.#codeWhole(this.#joined());
    if (this.#isStopped) return;
    if (this.#isCoded) this.#owner.onCodedEnd();
    else if (!this.#isWriting) this.#finish();
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
  #codeWhole(bytes: Buffer): boolean {
    let whole: Buffer | null;
    try {
      whole = this.#work.codeWhole(bytes);
    } catch (error) {
      this.#fail(error as Error);
      return false;
    }
    if (whole === null) return false;
    if (whole.length > 0) this.#owner.onCoded(whole, 0, whole.length);
    return true;
  }

  /** All that waits, in one piece. */
  #joined(): Buffer {
    if (this.#gathered.length !== 1) this.#gathered = [Buffer.concat(this.#gathered)];
    return this.#gathered[0]!;
  }

  #takeGathered(): Buffer {
    const bytes = this.#joined();
    this.#gathered = [];
    this.#waiting = 0;
    return bytes;
  }

  /** Whether the rest of it is awaited, to code it in one go. */
  get #awaitsWhole(): boolean {
    return this.#length !== null && this.#length <= this.#work.wholeUpTo && this.#stream === null;
  }

  /** Where everything is flushed, nothing waits for its batch to be full. */
  #writeBatch(): void {
    if (this.#awaitsWhole) return;
    if (this.#waiting >= (this.#work.flushKind === null ? 1 : BATCH)) this.#write();
  }

  #write(): void {
    if (this.#isWriting || this.#waiting === 0) return;
    this.#isWriting = true;
    this.#opened().write(this.#takeGathered(), this.#onWritten);
  }

  readonly #onWritten = (): void => {
    this.#isWriting = false;
    if (this.#isStopped) return;
    if (this.#isEnded) {
      this.#finish();
      return;
    }
    this.#writeBatch();
    if (!this.#isBusy || this.#waiting >= BATCH) return;
    this.#isBusy = false;
    this.#owner.onCoderIdle();
  };

  /** The last batch goes with the end. */
  #finish(): void {
    const stream = this.#opened();
    if (this.#waiting > 0) stream.end(this.#takeGathered());
    else stream.end();
  }

  #opened(): CodingStream {
    if (this.#stream !== null) return this.#stream;
    const stream = this.#work.open(this.#length);
    this.#stream = stream;
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    stream.on("end", () => {
      if (!this.#isStopped) this.#owner.onCodedEnd();
    });
    stream.on("error", (error: Error) => this.#fail(error));
    if (this.#isPaused) stream.pause();
    return stream;
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

  #awaitPause(): void {
    this.#lastPush = this.#clock.now();
    this.#alarm ??= new Alarm(this.#clock, () => this.#onAlarm());
    const alarm = this.#alarm;
    if (!alarm.isSet) alarm.set(this.#lastPush + PAUSE);
  }

  #onAlarm(): void {
    if (this.#isStopped || this.#isEnded) return;
    const now = this.#clock.now();
    const due = this.#lastPush + PAUSE;
    // While it works, what comes behind can't come out anyway.
    if (now < due || this.#isWriting) {
      this.#alarm!.set(Math.max(due, now + 1));
      return;
    }
    this.#write();
    this.#opened().flush(this.#work.flushKind!);
  }
}
