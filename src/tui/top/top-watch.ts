import { Alarm, type AlarmClock } from "../../base/alarms.ts";
import type { TopKind } from "../../observe/traffic/report.ts";
import type { Picture, RatedEntry } from "./sections.ts";
import type { StatsSource, TopList } from "./stats.ts";

/** What is known at the moment. */
export interface TopSight {
  /** Null before the first answer. */
  readonly picture: Picture | null;
  /** Why there is no newer one; "" when there is. */
  readonly problem: string;
}

/** Milliseconds between two looks. */
const PERIOD = 1_000;
/** Looks that rates of clients and paths are taken over. */
const LOOKS = 10;
const MOST = 100;

/** How often each key had been met at a moment. */
interface Counted {
  readonly time: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** Rates of keys whose counts alone are told. */
class RateKeeper {
  readonly #looks: Counted[] = [];

  rate(list: TopList, time: number): RatedEntry[] {
    const [then] = this.#looks;
    const entries = list.entries.map((entry) => ({ ...entry, rate: rateOf(entry, then, time, list.least) }));
    this.#looks.push({ time, counts: new Map(list.entries.map(({ key, count }) => [key, count])) });
    if (this.#looks.length > LOOKS) this.#looks.shift();
    return entries;
  }
}

/** Who wasn't told of then had been met at most as often as the last who was. */
function rateOf(
  { key, count, atLeast }: { readonly key: string; readonly count: number; readonly atLeast: number },
  then: Counted | undefined,
  time: number,
  least: number,
): number | null {
  if (then === undefined || time <= then.time) return null;
  const before = then.counts.get(key) ?? Math.min(Math.max(least, count - atLeast), count);
  return (Math.max(count - before, 0) * 1000) / (time - then.time);
}

/** Takes a picture: what is asked for each time. */
async function takePicture(
  source: StatsSource,
  rates: Readonly<Record<TopKind, RateKeeper>>,
): Promise<Picture> {
  const [stats, clients, paths] = await Promise.all([
    source.stats(),
    source.top("client", MOST),
    source.top("path", MOST),
  ]);
  return {
    stats,
    clients: { ...clients, entries: rates.client.rate(clients, stats.time) },
    paths: { ...paths, entries: rates.path.rate(paths, stats.time) },
  };
}

/** A single picture, whose rates of clients and paths nobody knows. */
export function takeOnePicture(source: StatsSource): Promise<Picture> {
  return takePicture(source, newRates());
}

function newRates(): Record<TopKind, RateKeeper> {
  return { client: new RateKeeper(), path: new RateKeeper() };
}

/** Looks once a second, and goes on while nobody answers. */
export class TopWatch {
  readonly source: StatsSource;
  readonly #clock: AlarmClock;
  readonly #alarm: Alarm;
  readonly #subscribers = new Set<() => void>();
  #rates = newRates();
  #since = 0;
  #sight: TopSight = { picture: null, problem: "" };
  #isPaused = false;
  #stopped = false;

  constructor(source: StatsSource, clock: AlarmClock) {
    this.source = source;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => void this.#look());
    this.#alarm.set(clock.now());
  }

  /** The same object until something changes. */
  get sight(): TopSight {
    return this.#sight;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** What is shown stays as it is, or doesn't any more. */
  pause(): void {
    this.#isPaused = !this.#isPaused;
    this.#publish({ ...this.#sight });
  }

  /** Calls `subscriber` when there is another sight, until the function that is returned is called. */
  subscribe(subscriber: () => void): () => void {
    this.#subscribers.add(subscriber);
    return () => void this.#subscribers.delete(subscriber);
  }

  stop(): void {
    this.#stopped = true;
    this.#alarm.clear();
    this.#subscribers.clear();
  }

  /** One look, and the alarm for the next one: looks never overtake each other. */
  async #look(): Promise<void> {
    try {
      const picture = await takePicture(this.source, this.#rates);
      // Another process counts from the beginning.
      if (picture.stats.since !== this.#since && this.#since !== 0) this.#rates = newRates();
      this.#since = picture.stats.since;
      this.#publish({ picture: this.#isPaused ? this.#sight.picture : picture, problem: "" });
    } catch (error) {
      this.#publish({ ...this.#sight, problem: error instanceof Error ? error.message : String(error) });
    }
    if (!this.#stopped) this.#alarm.set(this.#clock.now() + PERIOD);
  }

  #publish(sight: TopSight): void {
    if (this.#stopped) return;
    this.#sight = sight;
    for (const subscriber of this.#subscribers) subscriber();
  }
}
