import { sparkline } from "../sparkline.ts";
import { type Column, columnMaker, formatTable } from "../table.ts";
import { formatBytes, formatRate } from "../units.ts";
import { formatCount, formatLatency, formatPercent } from "./numbers.ts";
import type { Place, Stats, TopEntry, TopList, WindowName } from "./stats.ts";

/** A list on the screen. */
export type SectionName = "listeners" | "routes" | "upstreams" | "plugins" | "clients" | "paths";

export const SECTIONS: readonly SectionName[] = [
  "listeners",
  "routes",
  "upstreams",
  "plugins",
  "clients",
  "paths",
];

/** By what rows are sorted; `name` leaves places in the order of the configuration. */
export const SORTS = ["rate", "bytes", "errors", "p99", "name"] as const;
export type Sort = (typeof SORTS)[number];

/** A client or path, and how often it comes lately; null: not known yet. */
export interface RatedEntry extends TopEntry {
  readonly rate: number | null;
}

/** All that there is to show. */
export interface Picture {
  readonly stats: Stats;
  readonly clients: Omit<TopList, "entries"> & { readonly entries: readonly RatedEntry[] };
  readonly paths: Omit<TopList, "entries"> & { readonly entries: readonly RatedEntry[] };
}

export interface SectionOptions {
  readonly window: WindowName;
  readonly sort: Sort;
  /** Characters in a line. */
  readonly width: number;
}

const TITLES: Readonly<Record<SectionName, string>> = {
  listeners: "LISTENER",
  routes: "ROUTE",
  upstreams: "UPSTREAM",
  plugins: "PLUGIN",
  clients: "CLIENT",
  paths: "PATH",
};

/** How many rows a section has. */
export function rowsOf(picture: Picture, name: SectionName): number {
  return name === "clients" || name === "paths" ? picture[name].entries.length : picture.stats[name].length;
}

/** A section as a heading and rows. @param first the first row; @param most rows at most */
export function sectionLines(
  picture: Picture,
  name: SectionName,
  options: SectionOptions,
  { first = 0, most = Number.POSITIVE_INFINITY }: { readonly first?: number; readonly most?: number } = {},
): string[] {
  const end = first + most;
  const columns =
    name === "clients" || name === "paths"
      ? topColumns(
          TITLES[name],
          sortEntries(picture[name].entries, options.sort).slice(first, end),
          picture[name].total,
        )
      : placeColumns(
          TITLES[name],
          sortPlaces(picture.stats[name], options).slice(first, end),
          options.window,
        );
  // What is told of a long path matters more than its end.
  const widest = Math.min(WIDEST, Math.max(Math.floor(options.width * LARGEST_SHARE), LEFT.least));
  const [names, ...rest] = columns;
  return formatTable([{ ...names!, most: widest }, ...rest], options.width).map((line) => line.trimEnd());
}

/** Of a name, in characters and as a share of the line. */
const WIDEST = 80;
const LARGEST_SHARE = 0.4;
const LEFT = { align: "left", cut: "end", least: 10, most: WIDEST, rank: 0 } as const;
const RIGHT = { align: "right", cut: "end", least: 6, most: 10, rank: 0 } as const;
const SPARKLINE = 12;

/** What matters less goes first when there is no room. */
function placeColumns(title: string, places: readonly Place[], window: WindowName): Column[] {
  const column = columnMaker(places);
  const of = ({ windows }: Place): Place["windows"][WindowName] => windows[window];
  return [
    column(title, LEFT, nameOf),
    column("REQ/S", RIGHT, (place) => formatCount(of(place).rates.requests)),
    column("CONN/S", { ...RIGHT, rank: 6 }, (place) => formatCount(of(place).rates.connections)),
    column("OPEN", { ...RIGHT, least: 4, rank: 5 }, openOf),
    column("IN", { ...RIGHT, least: 9, rank: 4 }, (place) => formatRate(of(place).rates.bytes_in)),
    column("OUT", { ...RIGHT, least: 9, rank: 1 }, (place) => formatRate(of(place).rates.bytes_out)),
    column("ERR", { ...RIGHT, least: 5, rank: 1 }, (place) => formatPercent(errorShare(place, window))),
    ...(places.some(({ restarts }) => restarts !== undefined)
      ? [column("RESTARTS", { ...RIGHT, rank: 4 }, ({ restarts = 0 }) => formatCount(restarts))]
      : []),
    column("P50", { ...RIGHT, rank: 2 }, (place) => formatLatency(of(place).latency, "p50")),
    column("P90", { ...RIGHT, rank: 3 }, (place) => formatLatency(of(place).latency, "p90")),
    column("P99", { ...RIGHT, rank: 1 }, (place) => formatLatency(of(place).latency, "p99")),
    column("MAX", { ...RIGHT, rank: 3 }, (place) => formatLatency(of(place).latency, "max")),
    column("", { ...LEFT, least: SPARKLINE, most: SPARKLINE, rank: 7 }, ({ history }) =>
      sparkline(history, SPARKLINE),
    ),
  ];
}

/** A route is told from those of other listeners by its own. */
function nameOf({ name = "", listener }: Place): string {
  return listener === undefined ? name : `${listener} ${name}`;
}

function openOf({ connections_open, requests_open }: Place): string {
  return formatCount(Math.max(connections_open, requests_open));
}

function topColumns(title: string, entries: readonly RatedEntry[], total: number): Column[] {
  const column = columnMaker(entries);
  return [
    column(title, LEFT, ({ key, isCut }) => (key === "" ? "(unix)" : isCut ? `${key}…` : key)),
    column("REQ/S", RIGHT, ({ rate }) => (rate === null ? "-" : formatCount(rate))),
    column("COUNT", RIGHT, ({ count }) => formatCount(count)),
    column("±", { ...RIGHT, least: 1, rank: 4 }, ({ count, atLeast }) => formatCount(count - atLeast)),
    column("SHARE", { ...RIGHT, least: 5, rank: 1 }, ({ count }) =>
      formatPercent(count / Math.max(total, 1)),
    ),
    column("ERR", { ...RIGHT, least: 5, rank: 1 }, ({ failed, atLeast }) =>
      formatPercent(failed / Math.max(atLeast, 1)),
    ),
    column("OUT", { ...RIGHT, rank: 2 }, ({ bytesOut }) => formatBytes(bytesOut)),
    column("P50", { ...RIGHT, rank: 3 }, ({ latency }) => formatLatency(latency, "p50")),
    column("P99", { ...RIGHT, rank: 2 }, ({ latency }) => formatLatency(latency, "p99")),
  ];
}

/** Failed ones among all, in a window: 0 to 1. */
export function errorShare({ windows }: Place, window: WindowName): number {
  const { failed, requests, connections } = windows[window].rates;
  const all = requests > 0 ? requests : connections;
  return all === 0 ? 0 : Math.min(failed / all, 1);
}

function sortPlaces(places: readonly Place[], { sort, window }: SectionOptions): readonly Place[] {
  if (sort === "name") return places;
  const keyOf = (place: Place): number => {
    const { rates, latency } = place.windows[window];
    if (sort === "bytes") return rates.bytes_in + rates.bytes_out;
    if (sort === "errors") return errorShare(place, window);
    return sort === "p99" ? latency.p99 : rates.requests || rates.connections;
  };
  return places.toSorted((a, b) => keyOf(b) - keyOf(a));
}

function sortEntries(entries: readonly RatedEntry[], sort: Sort): readonly RatedEntry[] {
  if (sort === "name") return entries.toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const keyOf = (entry: RatedEntry): number => {
    if (sort === "bytes") return entry.bytesIn + entry.bytesOut;
    if (sort === "errors") return entry.failed / Math.max(entry.atLeast, 1);
    return sort === "p99" ? entry.latency.p99 : (entry.rate ?? 0);
  };
  return entries.toSorted((a, b) => keyOf(b) - keyOf(a) || b.count - a.count);
}
