import type { TopKind } from "../../src/observe/traffic/report.ts";
import type { Place, Stats, StatsSource, TopEntry, TopList } from "../../src/tui/top/stats.ts";

const LATENCY = { count: 10, p50: 1.25, p90: 4, p99: 12.5, max: 80 };

/** A place with so many requests a second, in all windows. */
export function place(name: string, requests: number, change: Partial<Place> = {}): Place {
  const rates = { connections: 0, requests, bytes_in: 10 * requests, bytes_out: 1000 * requests, failed: 0 };
  const window = { seconds: 10, rates, latency: requests === 0 ? { ...LATENCY, count: 0 } : LATENCY };
  return {
    name,
    ...{ connections: 3, connections_open: 2, requests: 100 * requests, requests_open: 1 },
    ...{ bytes_in: 0, bytes_out: 0, failed: 0, history: [1, 2, 3] },
    windows: { "1s": window, "10s": window, "60s": window },
    ...change,
  };
}

export function topEntry(key: string, count: number, change: Partial<TopEntry> = {}): TopEntry {
  const counted = { count, atLeast: count, bytesIn: 0, bytesOut: 5000, failed: 0 };
  return { key, isCut: false, ...counted, latency: LATENCY, ...change };
}

/** A process that tells whatever a test wants. */
export class FakeStats implements StatsSource {
  readonly url = "http://127.0.0.1:8474";
  /** What it fails with; null: it answers. */
  problem: Error | null = null;
  asked = 0;
  listeners: readonly Place[] = [place("web", 120)];
  routes: readonly Place[] = [place("api", 20, { listener: "web" }), place("all", 100, { listener: "web" })];
  upstreams: readonly Place[] = [place("app", 120)];
  met: Record<TopKind, readonly TopEntry[]> = {
    client: [topEntry("203.0.113.7", 9000), topEntry("198.51.100.1", 1000, { atLeast: 900 })],
    path: [topEntry("/api/things", 4000), topEntry("/evil\u001b[2J", 10, { isCut: true })],
  };
  time = 1_000_000;

  async stats(): Promise<Stats> {
    this.asked++;
    this.time += 1000;
    if (this.problem !== null) throw this.problem;
    const { listeners, routes, upstreams, time } = this;
    return { since: 0, time, total: place("", 120), listeners, routes, upstreams, plugins: [] };
  }

  async top(by: TopKind): Promise<TopList> {
    if (this.problem !== null) throw this.problem;
    return { total: 10_000, least: 0, entries: this.met[by] };
  }
}
