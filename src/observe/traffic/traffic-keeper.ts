import { Alarm, type AlarmClock, idleAlarms } from "../../base/alarms.ts";
import {
  allocateTraffic,
  clearTraffic,
  type TrafficKind,
  TrafficMemory,
} from "../../base/traffic/traffic-memory.ts";
import {
  addRow,
  HISTOGRAM_AT,
  LATENCY_BUCKETS,
  ROW_NUMBERS,
  STATUS_PLACES,
  STATUSES_AT,
  statusAt,
  TRAFFIC_COUNTS,
  TrafficCount,
  type TrafficCountName,
} from "../../base/traffic/traffic-row.ts";
import { DEFAULT_TRAFFIC, type TrafficSettings } from "../../base/traffic/traffic-settings.ts";
import { latencyReport } from "./latency-report.ts";
import { type PlaceSum, PlaceSums } from "./place-sums.ts";
import { PlaceWindow, SECONDS } from "./place-window.ts";
import {
  type PlaceDetails,
  type PlaceReport,
  type TopKind,
  type TopReport,
  type TrafficReport,
  WINDOWS,
} from "./report.ts";
import { mergeTop, NOBODY, readTop, type TopReading, topReport } from "./top-reading.ts";

/** What has passed the data plane since the process began, and lately. */
export interface TrafficStats {
  readonly settings: TrafficSettings;
  report(): TrafficReport;
  /** @param limit entries that are told of */
  top(by: TopKind, limit: number): TopReport;
}

/** A place whose counts are kept elsewhere. Plain data. */
export interface OtherPlace {
  readonly kind: TrafficKind;
  readonly name: string;
  readonly counts: Readonly<Partial<Record<TrafficCountName, number>>>;
  /** A row whose latencies are its. */
  readonly latencies?: Float64Array;
  /** What else is to be told of it, as it is. */
  readonly details?: PlaceDetails;
}

/** Rows of each thread: listeners, routes, upstreams and plugins that are told apart there. Who has none takes no memory. */
const ROWS = 1024;
/** Milliseconds between two samples. */
const PERIOD = 1_000;
const TOTAL = "total";
const NO_DETAILS: PlaceDetails = {};
/** Pieces of memory that wait for another worker. */
const MOST_SPARE = 64;

/** Lends workers the memory that they count in, reads it while they do, and keeps what those have counted that are gone. */
export class TrafficKeeper implements TrafficStats {
  /** Asked whenever all is read. */
  others: () => readonly OtherPlace[] = () => [];
  readonly settings: TrafficSettings;
  readonly #clock: AlarmClock;
  readonly #wallClock: () => number;
  readonly #since: number;
  readonly #alarm: Alarm;
  readonly #sums = new PlaceSums();
  /** When samples were taken, oldest first. */
  readonly #ticks: number[] = [];
  readonly #lent = new Map<SharedArrayBuffer, TrafficMemory>();
  /** For who comes next: pieces of this size that come and go would leave the heap of the system in pieces. */
  readonly #spare: SharedArrayBuffer[] = [];
  readonly #windows = new Map<string, PlaceWindow>();
  /** Of places whose counts are kept elsewhere, as they were read last. */
  #details: ReadonlyMap<string, PlaceDetails> = new Map();
  /** What threads have met that are gone. */
  readonly #gone: Record<TopKind, TopReading> = { client: NOBODY, path: NOBODY };

  /** @param wallClock milliseconds since 1970 */
  constructor(
    settings: TrafficSettings = DEFAULT_TRAFFIC,
    clock: AlarmClock = idleAlarms,
    wallClock: () => number = Date.now,
  ) {
    this.settings = settings;
    this.#clock = clock;
    this.#wallClock = wallClock;
    this.#since = wallClock();
    this.#alarm = new Alarm(clock, () => this.#sample());
    if (settings.enabled) this.#sample();
  }

  /** Memory for one worker, which alone writes it; null when nothing is counted. */
  lend(): SharedArrayBuffer | null {
    const { enabled, top } = this.settings;
    if (!enabled) return null;
    const spare = this.#spare.pop();
    if (spare !== undefined) clearTraffic(spare);
    const buffer = spare ?? allocateTraffic(ROWS, top);
    this.#lent.set(buffer, new TrafficMemory(buffer));
    this.#sums.add(buffer);
    return buffer;
  }

  /** Its worker is gone. */
  takeBack(buffer: SharedArrayBuffer | null): void {
    const memory = buffer === null ? undefined : this.#lent.get(buffer);
    if (buffer === null || memory === undefined) return;
    this.#lent.delete(buffer);
    this.#sums.remove(buffer);
    for (const by of ["client", "path"] as const) {
      const list = listOf(memory, by);
      if (list !== null) this.#gone[by] = mergeTop([this.#gone[by], readTop(list)], list.slots);
    }
    if (this.#spare.length < MOST_SPARE) this.#spare.push(buffer);
  }

  stop(): void {
    this.#alarm.clear();
  }

  #sample(): void {
    const now = this.#clock.now();
    const places = this.#read();
    for (const [id, { row }] of places) this.#windowOf(id).take(now, row);
    this.#windowOf(TOTAL).take(now, totalOf(places.values()).row);
    this.#ticks.push(now);
    if (this.#ticks.length > SECONDS) this.#ticks.shift();
    for (const id of this.#windows.keys()) if (id !== TOTAL && !places.has(id)) this.#windows.delete(id);
    this.#alarm.set(now + PERIOD);
  }

  #windowOf(id: string): PlaceWindow {
    const known = this.#windows.get(id);
    if (known !== undefined) return known;
    const window = new PlaceWindow();
    this.#windows.set(id, window);
    // What has come since had nothing before.
    const nothing = new Float64Array(ROW_NUMBERS);
    for (const time of this.#ticks) window.take(time, nothing);
    return window;
  }

  #read(): ReadonlyMap<string, PlaceSum> {
    const found = this.others();
    const others = found.map((place): [string, PlaceSum] => [
      idOf(place),
      { kind: place.kind, name: place.name, listener: "", row: rowOf(place) },
    ]);
    this.#details = new Map(found.map((place) => [idOf(place), place.details ?? NO_DETAILS]));
    return others.length === 0 ? this.#sums.read() : new Map([...this.#sums.read(), ...others]);
  }

  report(): TrafficReport {
    const places = this.#read();
    const total = totalOf(places.values());
    return {
      since: this.#since,
      time: this.#wallClock(),
      total: { ...this.#describe(TOTAL, total), kind: "total" },
      places: [...places]
        .filter(([, sum]) => isWorthTelling(sum))
        .map(([id, sum]) => this.#describe(id, sum)),
    };
  }

  #describe(id: string, { kind, name, listener, row }: PlaceSum): PlaceReport {
    const window = this.#windows.get(id) ?? new PlaceWindow();
    const { latencySum, latencyMax, ...counts } = countsOf(row);
    const histogram = row.subarray(HISTOGRAM_AT, HISTOGRAM_AT + LATENCY_BUCKETS.count);
    return {
      ...{ kind, name, listener, counts },
      statuses: statusesOf(row),
      latency: latencyReport(LATENCY_BUCKETS, histogram, { sum: latencySum, max: latencyMax }),
      windows: WINDOWS.map((seconds) => window.report(seconds)),
      history: window.history(counts.requests > 0 ? "requests" : "connections"),
      details: this.#details.get(id) ?? NO_DETAILS,
    };
  }

  top(by: TopKind, limit: number): TopReport {
    const lists = [...this.#lent.values()]
      .map((memory) => listOf(memory, by))
      .filter((list) => list !== null);
    return topReport(mergeTop([this.#gone[by], ...lists.map(readTop)], this.settings.top), limit);
  }
}

function listOf(memory: TrafficMemory, by: TopKind): TrafficMemory["clients"] {
  return by === "client" ? memory.clients : memory.paths;
}

/** All listeners together. */
function totalOf(places: Iterable<PlaceSum>): PlaceSum {
  const row = new Float64Array(ROW_NUMBERS);
  for (const place of places) if (place.kind === "listener") addRow(row, place.row);
  return { kind: "other", name: TOTAL, listener: "", row };
}

/** Where others are counted there is mostly nobody. */
function isWorthTelling({ kind, row }: PlaceSum): boolean {
  return kind !== "other" || row.some((count) => count !== 0);
}

function countsOf(row: Float64Array): Record<keyof typeof TrafficCount, number> {
  const counts = TRAFFIC_COUNTS.map((name) => [name, row[TrafficCount[name]]!]);
  return Object.fromEntries(counts) as Record<keyof typeof TrafficCount, number>;
}

function statusesOf(row: Float64Array): Map<number, number> {
  const statuses = new Map<number, number>();
  for (let place = 0; place < STATUS_PLACES; place++) {
    const count = row[STATUSES_AT + place]!;
    if (count > 0) statuses.set(statusAt(place), count);
  }
  return statuses;
}

function idOf({ kind, name }: OtherPlace): string {
  return `${kind} ${name}`;
}

function rowOf({ counts, latencies }: OtherPlace): Float64Array {
  const row = latencies === undefined ? new Float64Array(ROW_NUMBERS) : latencies.slice();
  for (const name of TRAFFIC_COUNTS) row[TrafficCount[name]] = counts[name] ?? row[TrafficCount[name]]!;
  return row;
}
