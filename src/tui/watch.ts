import { Alarm, type AlarmClock } from "../base/alarms.ts";
import type { ProxyState, Steering } from "../control/steering.ts";
import { ConnectionMeter, type Flow, type MeteredConnection } from "./connection-meter.ts";
import { EventLog, type LogLine } from "./event-log.ts";

/** Everything there is to draw, as it was at the last look. */
export interface Sight {
  /** Null when the proxy is gone. */
  readonly proxy: ProxyState | null;
  /** All proxies, in their order. */
  readonly names: readonly string[];
  readonly connections: readonly MeteredConnection[];
  readonly up: Flow;
  readonly down: Flow;
  /** Oldest first. */
  readonly events: readonly LogLine[];
  /** What the last order or look met with; "" when all went well. */
  readonly problem: string;
}

export interface WatchOptions {
  readonly steering: Steering;
  /** The name of the proxy that is shown first. */
  readonly proxy: string;
  readonly clock: AlarmClock;
  /** Milliseconds since 1970, for the log. */
  readonly wallClock?: () => number;
}

/** Milliseconds between two looks: four a second. */
const PERIOD = 250;
/** More connections than that are looked at less often: a look costs the data plane time. */
const MANY = 1000;

/**
 * Looks at a proxy a few times a second and tells whoever draws it. Whatever happens in between, however much, makes
 * one picture.
 */
export class Watch {
  readonly #steering: Steering;
  readonly #clock: AlarmClock;
  readonly #alarm: Alarm;
  readonly #log: EventLog;
  readonly #subscribers = new Set<() => void>();
  readonly #stopListening: () => void;
  #name: string;
  #meter = new ConnectionMeter();
  #connections: readonly MeteredConnection[] = [];
  #lookedAt: number;
  #problem = "";
  #sight: Sight;
  #stopped = false;

  constructor({ steering, proxy, clock, wallClock = Date.now }: WatchOptions) {
    this.#steering = steering;
    this.#name = proxy;
    this.#clock = clock;
    this.#log = new EventLog(wallClock);
    this.#lookedAt = clock.now();
    this.#stopListening = steering.onEvent((event) => this.#log.add(event));
    this.#sight = this.#compose();
    this.#alarm = new Alarm(clock, () => void this.#look());
    this.#alarm.set(clock.now());
  }

  /** The same object until something changes. */
  get sight(): Sight {
    return this.#sight;
  }

  /** Calls `subscriber` when there is another sight, until the function that is returned is called. */
  subscribe(subscriber: () => void): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  /** The proxy as it is now, not as it was at the last look; null when it is gone. */
  get proxy(): ProxyState | null {
    return this.#steering.list().find(({ name }) => name === this.#name) ?? null;
  }

  /** Shows the proxy after this one. */
  nextProxy(): void {
    const names = this.#steering.list().map(({ name }) => name);
    const next = names[(names.indexOf(this.#name) + 1) % names.length];
    if (next === undefined || next === this.#name) return;
    this.#name = next;
    this.#meter = new ConnectionMeter();
    this.#connections = [];
    this.#publish();
  }

  /** Does something to the proxy that is shown; what becomes of it stands in the log. */
  async order(what: string, act: (steering: Steering, proxy: string) => Promise<void>): Promise<void> {
    const name = this.#name;
    try {
      await act(this.#steering, name);
      this.#problem = "";
      this.#log.done(name, what);
    } catch (error) {
      this.#problem = messageOf(error);
      this.#log.failed(name, `${what}: ${this.#problem}`);
    }
    this.#publish();
  }

  /** Looks no more. */
  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
    this.#stopListening();
    this.#subscribers.clear();
  }

  /** One look, and the alarm for the next one: looks never overtake each other. */
  async #look(): Promise<void> {
    await this.#lookAtConnections();
    if (this.#stopped) return;
    this.#publish();
    const pause = PERIOD * Math.max(Math.ceil(this.#connections.length / MANY), 1);
    this.#alarm.set(this.#clock.now() + pause);
  }

  async #lookAtConnections(): Promise<void> {
    const name = this.#name;
    const meter = this.#meter;
    try {
      const states = this.proxy === null ? [] : await this.#steering.connections(name);
      if (meter !== this.#meter) return;
      const now = this.#clock.now();
      this.#connections = meter.take(states, now - this.#lookedAt);
      this.#lookedAt = now;
    } catch (error) {
      // A proxy that goes while it is looked at is a sight and no problem.
      if (this.proxy !== null) this.#problem = messageOf(error);
    }
  }

  #publish(): void {
    if (this.#stopped) return;
    this.#sight = this.#compose();
    for (const subscriber of this.#subscribers) subscriber();
  }

  #compose(): Sight {
    return {
      proxy: this.proxy,
      names: this.#steering.list().map(({ name }) => name),
      connections: this.#connections,
      up: { rate: this.#meter.up.rate, history: this.#meter.up.history },
      down: { rate: this.#meter.down.rate, history: this.#meter.down.history },
      events: this.#log.lines,
      problem: this.#problem,
    };
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
