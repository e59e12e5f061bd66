import {
  type LatencyReport,
  type PlaceReport,
  type TopEntry,
  type TopReport,
  type TrafficReport,
  WINDOWS,
  type WindowReport,
} from "../../observe/traffic/report.ts";

/** All that is counted, as JSON. Times are milliseconds, moments milliseconds since 1970. */
export function statsView({ since, time, total, places }: TrafficReport, hasHistory: boolean): object {
  const view = (place: PlaceReport): object => placeView(place, hasHistory);
  const of = (kind: PlaceReport["kind"]): object[] => places.filter((place) => place.kind === kind).map(view);
  return {
    since,
    time,
    total: view(total),
    listeners: of("listener"),
    routes: of("route"),
    upstreams: of("upstream"),
    plugins: of("plugin"),
    // What there was no room for; mostly nothing.
    others: of("other"),
  };
}

function placeView(place: PlaceReport, hasHistory: boolean): object {
  const { kind, name, listener, counts, statuses, latency, windows, history, details } = place;
  return {
    ...(kind === "total" ? {} : { name }),
    ...(kind === "route" ? { listener } : {}),
    ...snakeKeys(counts),
    ...details,
    statuses: { ...classesOf(statuses), codes: codesOf(statuses) },
    latency: latencyView(latency),
    windows: Object.fromEntries(windows.map((window, i) => [`${WINDOWS[i]}s`, windowView(window)])),
    ...(hasHistory ? { history: history.map(round) } : {}),
  };
}

function windowView({ seconds, rates, latency }: WindowReport): object {
  const rounded = Object.entries(rates).map(([name, rate]) => [name, round(rate)]);
  return {
    seconds: round(seconds),
    rates: snakeKeys(Object.fromEntries(rounded)),
    latency: latencyView(latency),
  };
}

function latencyView(latency: LatencyReport): object {
  return Object.fromEntries(Object.entries(latency).map(([name, value]) => [name, round(value)]));
}

/** `{ "2xx": 12 }`; what is outside of 100 to 599 is `other`. */
function classesOf(statuses: ReadonlyMap<number, number>): Record<string, number> {
  const classes: Record<string, number> = { "1xx": 0, "2xx": 0, "3xx": 0, "4xx": 0, "5xx": 0 };
  for (const [status, count] of statuses) {
    const name = status === 0 ? "other" : `${Math.floor(status / 100)}xx`;
    classes[name] = (classes[name] ?? 0) + count;
  }
  return classes;
}

function codesOf(statuses: ReadonlyMap<number, number>): Record<string, number> {
  return Object.fromEntries([...statuses].filter(([status]) => status !== 0));
}

/** Who was met most often, as JSON. */
export function topView(by: string, { total, least, entries }: TopReport): object {
  return { by, total, least, entries: entries.map((entry) => entryView(by, entry)) };
}

function entryView(by: string, { key, isCut, count, atLeast, counts, latency }: TopEntry): object {
  const { responses1xx, responses2xx, responses3xx, responses4xx, responses5xx, ...others } = counts;
  return {
    [by]: key,
    is_cut: isCut,
    count,
    at_least: atLeast,
    ...snakeKeys(others),
    statuses: {
      "1xx": responses1xx,
      "2xx": responses2xx,
      "3xx": responses3xx,
      "4xx": responses4xx,
      "5xx": responses5xx,
    },
    latency: latencyView(latency),
  };
}

function snakeKeys(object: Readonly<Record<string, number>>): Record<string, number> {
  const toSnake = (name: string): string => name.replace(/[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [toSnake(name), value]));
}

/** To microseconds: what is beyond was never measured. */
function round(value: number): number {
  return Math.round(value * 1000) / 1000;
}
