import { Random } from "../random.ts";
import { type Ability, abilities as all } from "./check.ts";
import { Lane, type Purge, type Stage, type Tally } from "./lane.ts";
import type { Origin } from "./origin.ts";
import { type Address, Clients } from "./question.ts";
import { makeResource } from "./resource.ts";

export interface CacheRunOptions {
  readonly origin: Origin;
  readonly proxy: Address;
  /** Null: nothing is purged. */
  readonly purge: Purge | null;
  /** What the proxy isn't held to. */
  readonly without: readonly Ability[];
  readonly seed: number;
  readonly requests: number;
  /** Who ask at once. */
  readonly lanes: number;
  /** Different resources. */
  readonly resources: number;
  /** Milliseconds an answer may be older than its seconds say. */
  readonly slack: number;
  /** Is told every five seconds how far it is. */
  readonly onProgress?: (tally: Tally, seconds: number) => void;
}

/** Milliseconds. */
const PROGRESS_EVERY = 5_000;

export interface CacheReport extends Tally {
  /** How many of the requests came to the origin. */
  readonly originRequests: number;
  readonly seconds: number;
}

export async function runCache(options: CacheRunOptions): Promise<CacheReport> {
  const { origin, proxy, purge, without, seed, requests, lanes, slack } = options;
  const random = new Random(seed);
  using clients = new Clients(proxy);
  const resources = Array.from({ length: options.resources }, (_, id) => makeResource(id, random));
  const tally: Tally = { requests: 0, answers: new Map(), complaints: new Map() };
  const stage: Stage = {
    ...{ origin, clients, purge, slack, resources, tally, barriers: new Map(), nextId: resources.length },
    abilities: new Set(all.filter((ability) => !without.includes(ability))),
  };
  const began = performance.now();
  const before = origin.requests;
  const each = Math.ceil(requests / lanes);
  const passed = (): number => (performance.now() - began) / 1000;
  using _progress = setInterval(() => options.onProgress?.(tally, passed()), PROGRESS_EVERY);
  await Promise.all(
    Array.from({ length: lanes }, (_, i) => new Lane(stage, new Random(seed * 1000 + i)).run(each)),
  );
  return { ...tally, originRequests: origin.requests - before, seconds: passed() };
}

/** How far a run is, in one line. */
export function showProgress({ requests, complaints }: Tally, seconds: number): string {
  const wrong = complaints.values().reduce((sum, texts) => sum + texts.length, 0);
  return `${seconds.toFixed(0)} s: ${requests} requests, ${rate(requests, seconds)} a second, ${wrong} wrong\n`;
}

function rate(requests: number, seconds: number): number {
  return Math.round(requests / seconds);
}

/** The report as text, with the first few complaints of each kind. */
export function show(report: CacheReport, most = 3): string {
  const { requests, originRequests, seconds, answers, complaints } = report;
  const counts = [...answers]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name}: ${count}`);
  return [
    `${requests} requests in ${seconds.toFixed(1)} s, ${rate(requests, seconds)} a second, ${originRequests} came to the origin`,
    counts.join(", "),
    ...[...complaints].flatMap(([flaw, texts]) => [
      `WRONG ${flaw}: ${texts.length} times`,
      ...texts.slice(0, most).map((text) => `  ${text}`),
    ]),
    complaints.size === 0 ? "good" : "not good",
    "",
  ].join("\n");
}
