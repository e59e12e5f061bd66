import type { ChildProcess } from "node:child_process";
import type { Socket } from "node:net";
import { Alarm, type AlarmClock } from "../base/alarms.ts";
import { Fifo } from "../base/fifo.ts";
import { adoptAccepted } from "../net/onread-socket.ts";
import { output } from "../net/output.ts";
import type { Transport, TransportHandler } from "../net/transport.ts";
import type { PluginSource } from "./open-here.ts";
import { type LossListener, PluginError } from "./plugin.ts";
import {
  ANSWERS,
  encodeFrame,
  encodeText,
  FRAME_HEAD,
  Frame,
  FrameReader,
  writeFrameHead,
} from "./plugin-frames.ts";
import { PLUGIN_PIPE, spawnPluginProcess } from "./spawn-plugin.ts";

/** Milliseconds for the process to begin the plugin, on a busy machine too. */
const START_TIMEOUT = 20_000;
/** Milliseconds for it to end by itself. */
const END_TIMEOUT = 5_000;
/** Milliseconds for the last answers of a process that is gone to be read. */
const LAST_WORDS = 200;

/** Milliseconds past the time for an answer in which the process ends by itself, if nobody else ends it. */
const LAST_RESORT = 10_000;

/** What a process says of its plugin when that has begun. */
export interface Begun {
  readonly name: string;
  readonly transforms: boolean;
  readonly filtersRequests: boolean;
}

/** An answer that was waited for. */
export interface Answer {
  readonly kind: number;
  /** Borrowed until all promises have been told: what the event loop does next may be read into the same memory. */
  readonly payload: Buffer;
}

interface Question extends PromiseWithResolvers<Answer> {
  readonly connection: number;
  /** Kinds that answer it, beside `failed`. */
  readonly answers: readonly number[];
}

export interface IsolatedOptions {
  readonly source: PluginSource;
  /** Milliseconds for an answer. */
  readonly timeout: number;
  readonly clock: AlarmClock;
  /** It is over before anybody wanted that. What it was asked and hasn't answered fails with the same. */
  readonly onOver: (why: PluginError) => void;
}

/** Where heads of frames are made: they are copied at once. */
const head = Buffer.alloc(FRAME_HEAD);

/**
 * A process in which one plugin runs. What it is asked before it has begun waits here; from then on the pipe between both is all
 * that anything waits in. Of each direction of a connection one chunk is under way at most, since nothing else is given before its answer is there:
 * that is what bounds it.
 */
export class IsolatedProcess implements TransportHandler {
  readonly #options: IsolatedOptions;
  readonly #begun = Promise.withResolvers<Begun>();
  /** Asked and not answered yet, in order. */
  readonly #questions = new Fifo<Question>();
  readonly #alarm: Alarm;
  readonly #reader = new FrameReader(ANSWERS, (kind, connection, payload) =>
    this.#take(kind, connection, payload),
  );
  #child: ChildProcess | null = null;
  #pipe: Transport | null = null;
  /** What is sent when the plugin has begun; null from then on. */
  #early: Buffer[] | null = [];
  #opened = 0;
  /** Connections that are open, by their numbers. */
  readonly #connections = new Map<number, LossListener>();
  /** When the process answered last, or was asked first after it had answered everything. */
  #progressAt = 0;
  /** Why it is over, or will be in a moment. */
  #reason: PluginError | null = null;
  /** How it ended, while its last answers may still be on their way. */
  #lastWords: PluginError | null = null;
  #isOver = false;
  /** Somebody wanted it to end. */
  #isEnding = false;

  constructor(options: IsolatedOptions) {
    this.#options = options;
    this.#alarm = new Alarm(options.clock, () => this.#onAlarm());
    // Who doesn't ask for it learns of a failure through `onOver`.
    this.#begun.promise.catch(() => undefined);
  }

  /** Rejects with a `PluginError` when the plugin can't be used. */
  get begun(): Promise<Begun> {
    return this.#begun.promise;
  }

  /** To be called once, not necessarily at once: what it is asked before waits. */
  start(): void {
    if (this.#isEnding) return;
    const pipe = this.#spawn();
    if (pipe === null) return;
    this.#pipe = adoptAccepted(pipe, this);
    const { source, timeout } = this.#options;
    const { path, file, config } = source;
    const lastSeconds = Math.ceil((timeout + LAST_RESORT) / 1000);
    const order = JSON.stringify({ path, file, config, lastSeconds });
    this.#write(encodeFrame(Frame.begin, 0, Buffer.from(order)));
    this.#wait(START_TIMEOUT);
  }

  /** @returns null where no process could be started; then it is over a moment later */
  #spawn(): Socket | null {
    const onError = ({ message }: Error): void =>
      this.#end(new PluginError(`its process can't be started: ${message}`));
    try {
      const child = spawnPluginProcess();
      this.#child = child;
      child.unref();
      child.once("error", onError);
      child.once("exit", (code, signal) => this.#onExit(code, signal));
      // Without a descriptor left the child has no streams at all.
      const streams = child.stdio as ChildProcess["stdio"] | undefined;
      return (streams?.[PLUGIN_PIPE] as Socket | null | undefined) ?? null;
    } catch (error) {
      // Node tells of some reasons by an event, and of others so: there is no memory left, say.
      queueMicrotask(() => onError(error as Error));
      return null;
    }
  }

  /**
   * Begins a connection. @returns its number. @throws PluginError when the process is over
   * @param listener is told when that happens before `release`
   */
  open(clientAddress: string, listener: LossListener): number {
    if (this.#reason !== null) throw this.#reason;
    this.#opened = (this.#opened + 1) >>> 0;
    this.#connections.set(this.#opened, listener);
    this.#send(encodeText(Frame.open, this.#opened, clientAddress));
    return this.#opened;
  }

  /** Ends one. */
  release(connection: number): void {
    this.#connections.delete(connection);
    if (this.#reason === null) this.#send(encodeFrame(Frame.close, connection));
  }

  /**
   * @param payload borrowed until this returns
   * Rejects with a `PluginError` for what the plugin did wrong, or when the process is over first.
   */
  ask(kind: number, connection: number, payload: Buffer, answers: readonly number[]): Promise<Answer> {
    if (this.#reason !== null) return Promise.reject(this.#reason);
    const question: Question = { ...Promise.withResolvers<Answer>(), connection, answers };
    if (this.#questions.isEmpty) this.#onFirst();
    this.#questions.push(question);
    if (this.#early !== null) this.#early.push(encodeFrame(kind, connection, payload));
    else {
      writeFrameHead(head, kind, connection, payload.length);
      this.#write(head);
      this.#write(payload);
    }
    return question.promise;
  }

  /** Ends it, after what it was told before. */
  close(): void {
    if (this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    this.#reason = new PluginError("it is used no more");
    this.#pipe?.end();
    if (this.#pipe === null) this.#end(this.#reason);
    else this.#wait(END_TIMEOUT);
  }

  #send(frame: Buffer): void {
    if (this.#early !== null) this.#early.push(frame);
    else this.#write(frame);
  }

  /** Copies it, to leave with all else that is said in this turn. */
  #write(bytes: Buffer): void {
    if (this.#pipe !== null) output.copy(this.#pipe, bytes, 0, bytes.length);
  }

  /** Something is waited for from here on, which the thread may not end before. */
  #onFirst(): void {
    this.#pipe?.socket.ref();
    if (this.#early !== null) return;
    this.#progressAt = this.#options.clock.now();
    if (!this.#alarm.isSet) this.#wait(this.#options.timeout);
  }

  #wait(milliseconds: number): void {
    this.#alarm.set(this.#options.clock.now() + milliseconds);
  }

  /** Set once for many answers: what is left of the time is seen when it rings. */
  #onAlarm(): void {
    if (this.#lastWords !== null) {
      this.#end(this.#lastWords);
      return;
    }
    if (this.#early !== null || this.#isEnding) {
      this.#kill(new PluginError("its process didn't begin in time, and was ended"));
      return;
    }
    if (this.#questions.isEmpty) return;
    const { clock, timeout } = this.#options;
    if (clock.now() < this.#progressAt + timeout) this.#alarm.set(this.#progressAt + timeout);
    // This thread may have been the slow one, and the answer be there.
    else setImmediate(() => setImmediate(() => this.#judge(this.#progressAt)));
  }

  #judge(progressAt: number): void {
    const { timeout } = this.#options;
    if (this.#isOver || this.#questions.isEmpty) return;
    if (this.#progressAt !== progressAt) this.#wait(timeout);
    else this.#kill(new PluginError(`it didn't answer within ${timeout} ms, and its process was ended`));
  }

  /** @internal */
  onData(bytes: Buffer, start: number, end: number): void {
    // Nothing is believed after the first that was wrong.
    if (this.#reason !== null) return;
    // The slab that all sockets share is good enough: what comes is copied, or sent on, before the next is read.
    this.#pipe?.expectLittle();
    try {
      this.#reader.push(bytes.subarray(start, end));
    } catch (error) {
      this.#kill(new PluginError(`its process answers nonsense: ${(error as Error).message}`));
    }
  }

  /** @internal */
  onEnd(): void {
    this.#pipe?.destroy();
  }

  /** @internal what waits is bounded by those who ask */
  onBlocked(): void {}

  /** @internal */
  onDrain(): void {}

  /** @internal the process tells by its end what has happened */
  onClose(): void {
    if (this.#lastWords === null) this.#kill(null);
    else this.#end(this.#lastWords);
  }

  #take(kind: number, connection: number, payload: Buffer): void {
    if (this.#early !== null) {
      this.#takeBegun(this.#early, kind, payload);
      return;
    }
    const question = this.#questions.first;
    if (question === undefined) throw new PluginError("it answers what nobody asked");
    const isFailed = kind === Frame.failed;
    if (question.connection !== connection || !(isFailed || question.answers.includes(kind)))
      throw new PluginError("its answer belongs to another question");
    this.#questions.shift();
    this.#progressAt = this.#options.clock.now();
    if (this.#questions.isEmpty) this.#pipe?.socket.unref();
    if (isFailed) question.reject(new PluginError(payload.toString()));
    else question.resolve({ kind, payload });
  }

  #takeBegun(early: readonly Buffer[], kind: number, payload: Buffer): void {
    if (kind === Frame.failed) {
      this.#kill(new PluginError(payload.toString()));
      return;
    }
    if (kind !== Frame.begun) throw new PluginError("it answers before it has begun");
    const begun = parseBegun(payload.toString());
    this.#early = null;
    this.#begun.resolve(begun);
    for (const frame of early) this.#write(frame);
    this.#alarm.clear();
    if (this.#questions.isEmpty) this.#pipe?.socket.unref();
    else this.#onFirst();
  }

  /** @param reason what to say of it when nothing else has been said */
  #kill(reason: PluginError | null): void {
    this.#reason ??= reason;
    this.#child?.kill("SIGKILL");
  }

  #onExit(code: number | null, signal: NodeJS.Signals | null): void {
    this.#child = null;
    this.#lastWords = new PluginError(
      signal === null ? `its process ended with code ${code}` : `its process was ended by ${signal}`,
    );
    if (this.#pipe === null || this.#pipe.socket.closed) this.#end(this.#lastWords);
    else this.#wait(LAST_WORDS);
  }

  #end(why: PluginError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reason ??= why;
    this.#alarm.clear();
    this.#pipe?.destroy();
    for (let question = this.#questions.shift(); question; question = this.#questions.shift())
      question.reject(this.#reason);
    this.#begun.reject(this.#reason);
    if (this.#isEnding) return;
    this.#options.onOver(this.#reason);
    for (const listener of this.#connections.values()) listener.onLost(this.#reason);
    this.#connections.clear();
  }
}

/** @throws PluginError */
function parseBegun(text: string): Begun {
  try {
    const { name, transforms, filtersRequests } = JSON.parse(text) as Record<keyof Begun, unknown>;
    if (typeof name === "string" && typeof transforms === "boolean" && typeof filtersRequests === "boolean")
      return { name, transforms, filtersRequests };
  } catch {
    // As wrong as the rest.
  }
  throw new PluginError("it doesn't say what the plugin is");
}
