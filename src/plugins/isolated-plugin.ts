import { Alarm, type AlarmClock, idleAlarms } from "../base/alarms.ts";
import { type Begun, type IsolatedOptions, IsolatedProcess } from "./isolated-process.ts";
import {
  type HeadVerdict,
  type LossListener,
  type Plugin,
  type PluginConnection,
  type PluginDirection,
  PluginError,
  TO_UPSTREAM,
  type Transformed,
} from "./plugin.ts";
import { Frame } from "./plugin-frames.ts";
import type { PluginMaterial } from "./plugin-settings.ts";

/** Milliseconds until the next process starts, twice as many each time; the first takes the place at once. */
const FIRST_BACKOFF = 100;
/** Whoever comes meanwhile waits: it is never long. */
const LONGEST_BACKOFF = 800;
/** A process that lived this long was a good one. */
const STABLE_AFTER = 10_000;

const LEAST_STATUS = 200;
const MOST_STATUS = 599;

/** What becomes of a plugin beside what it is asked. */
export interface PluginListener {
  /** Its process ended by itself, with all connections that were in it; another one takes its place. */
  onRestart(why: string): void;
}

/**
 * A plugin in a process of its own: what it does to memory, a segmentation fault and a loop without end cost that process alone, and
 * the connections in it. Each thread has one for each such plugin, so that threads stay apart in this too.
 */
export class IsolatedPlugin implements Plugin {
  readonly #material: PluginMaterial;
  readonly #clock: AlarmClock;
  readonly #listener: PluginListener | null;
  readonly #restart: Alarm;
  #begun!: Begun;
  #process: IsolatedProcess;
  #startedAt = 0;
  #backoff = 0;
  #isClosed = false;

  /** Rejects with a `PluginError` when the plugin can't be used. */
  static async start(
    material: PluginMaterial,
    listener: PluginListener | null,
    clock: AlarmClock = idleAlarms,
  ): Promise<IsolatedPlugin> {
    const plugin = new IsolatedPlugin(material, listener, clock);
    try {
      plugin.#begun = await plugin.#process.begun;
    } catch (error) {
      plugin.close();
      throw error;
    }
    return plugin;
  }

  private constructor(material: PluginMaterial, listener: PluginListener | null, clock: AlarmClock) {
    this.#material = material;
    this.#listener = listener;
    this.#clock = clock;
    this.#restart = new Alarm(clock, () => this.#start());
    this.#process = this.#next();
    this.#start();
  }

  get name(): string {
    return this.#begun.name;
  }

  get transforms(): boolean {
    return this.#begun.transforms;
  }

  get filtersRequests(): boolean {
    return this.#begun.filtersRequests;
  }

  #next(): IsolatedProcess {
    const { timeout } = this.#material;
    const options: IsolatedOptions = {
      ...{ source: this.#material, timeout, clock: this.#clock },
      onOver: (why) => this.#onOver(why),
    };
    return new IsolatedProcess(options);
  }

  #start(): void {
    this.#startedAt = this.#clock.now();
    this.#process.start();
  }

  #onOver(why: PluginError): void {
    // It never began: whoever waits for that is told.
    if (this.#isClosed || this.#begun === undefined) return;
    const now = this.#clock.now();
    const delay = now - this.#startedAt > STABLE_AFTER ? 0 : this.#backoff;
    this.#backoff = Math.min(delay === 0 ? FIRST_BACKOFF : delay * 2, LONGEST_BACKOFF);
    this.#process = this.#next();
    if (delay === 0) this.#start();
    else this.#restart.set(now + delay);
    this.#listener?.onRestart(why.message);
  }

  openConnection(clientAddress: string): PluginConnection {
    return new IsolatedConnection(this.#process, clientAddress);
  }

  async filterRequest(head: string): Promise<HeadVerdict> {
    const answers = [Frame.pass, Frame.head, Frame.status];
    const { kind, payload } = await this.#process.ask(Frame.filter, 0, Buffer.from(head, "latin1"), answers);
    if (kind === Frame.pass) return null;
    if (kind === Frame.head) return payload.toString("latin1");
    const status = payload.length === 2 ? payload.readUInt16LE() : 0;
    if (status >= LEAST_STATUS && status <= MOST_STATUS) return status;
    throw new PluginError(`it answers with ${status}, which is no status`);
  }

  close(): void {
    this.#isClosed = true;
    this.#restart.clear();
    this.#process.close();
  }
}

const TRANSFORMED = [Frame.bytes, Frame.closed];

class IsolatedConnection implements PluginConnection, LossListener {
  readonly #process: IsolatedProcess;
  readonly #number: number;
  /** One for each direction. */
  readonly #listeners: LossListener[] = [];

  constructor(process: IsolatedProcess, clientAddress: string) {
    this.#process = process;
    this.#number = process.open(clientAddress, this);
  }

  watch(listener: LossListener): void {
    this.#listeners.push(listener);
  }

  onLost(error: PluginError): void {
    for (const listener of this.#listeners) listener.onLost(error);
  }

  async transform(
    direction: PluginDirection,
    bytes: Buffer,
    start: number,
    end: number,
  ): Promise<Transformed> {
    const kind = direction === TO_UPSTREAM ? Frame.toUpstream : Frame.toClient;
    const answer = await this.#process.ask(kind, this.#number, bytes.subarray(start, end), TRANSFORMED);
    return answer.kind === Frame.closed ? null : answer.payload;
  }

  close(): void {
    this.#process.release(this.#number);
  }
}
