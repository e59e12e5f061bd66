import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apiRequest } from "../../../test/kit/api-request.ts";
import { freshBook } from "../../../test/kit/traffic.ts";
import { ManualAlarmClock } from "../../base/alarms.ts";
import { TrafficKeeper } from "../../observe/traffic/traffic-keeper.ts";
import { answerStats } from "./stats-api.ts";

const END = { bytesIn: 1, bytesOut: 10, status: 200, failed: false, aborted: false, retries: 0 };

/** Something at a listener, a route, an upstream, from clients and to paths. */
function keeperWithTraffic(): TrafficKeeper {
  const clock = new ManualAlarmClock();
  const keeper = new TrafficKeeper(undefined, clock, () => 5_000);
  const { book } = freshBook(keeper);
  book.row("listener", "web");
  const rows = [book.row("route", "all", "web"), book.row("upstream", "app")];
  for (const status of [200, 200, 301, 503, 999]) {
    for (const row of rows) {
      row.addRequest({ ...END, status, failed: status === 503 });
      row.addLatency(20);
    }
  }
  for (const path of ["/a", "/a", "/b\u001b"]) {
    const mark = book.paths!.enterText(path);
    book.paths!.note(mark, END, 20, 20_000);
  }
  clock.advance(1_000);
  return keeper;
}

function ask(keeper: TrafficKeeper, target: string, method = "GET"): { status: number; json: never } {
  const reply = answerStats(keeper, apiRequest(method, target))!;
  const isJson = reply.headers["Content-Type"] === "application/json";
  return { status: reply.status, json: (isJson ? JSON.parse(reply.body as string) : reply.body) as never };
}

test("all is told of listeners, routes and upstreams, and of the last seconds", () => {
  const { status, json } = ask(keeperWithTraffic(), "/stats");
  const { total, listeners, routes, upstreams, plugins, others, ...when } = json as Record<string, never[]>;
  assert.equal(status, 200);
  assert.deepEqual([when, plugins, others], [{ since: 5_000, time: 5_000 }, [], []]);
  const [route] = routes as unknown as Record<string, unknown>[];
  const latency = { count: 5, mean: 20, p50: 20, p90: 20, p99: 20, p999: 20, max: 20 };
  // Of a window only the buckets are known.
  const middle = 20.224;
  const { windows, ...counts } = route!;
  assert.deepEqual(counts, {
    ...{ name: "all", listener: "web", connections: 0, connections_open: 0, connections_refused: 0 },
    ...{ requests: 5, requests_open: 0, bytes_in: 5, bytes_out: 50, failed: 1, aborted: 0, retries: 0 },
    statuses: {
      ...{ "1xx": 0, "2xx": 2, "3xx": 1, "4xx": 0, "5xx": 1, other: 1 },
      codes: { 200: 2, 301: 1, 503: 1 },
    },
    latency,
  });
  const rates = { connections: 0, connections_refused: 0, requests: 5, bytes_in: 5, bytes_out: 50 };
  assert.deepEqual((windows as Record<string, unknown>)["1s"], {
    seconds: 1,
    rates: { ...rates, failed: 1, aborted: 0, retries: 0 },
    latency: { count: 5, mean: 20, p50: middle, p90: middle, p99: middle, p999: middle, max: middle },
  });
  assert.deepEqual(Object.keys(windows as object), ["1s", "10s", "60s"]);
  for (const [place] of [[total], listeners, upstreams] as unknown as Record<string, unknown>[][])
    assert.equal(place!["requests"], 5);
  const [listener] = ask(keeperWithTraffic(), "/stats?history=true").json["listeners"] as {
    history: unknown;
  }[];
  assert.deepEqual(listener!.history, [5]);
});

describe("those met most often", () => {
  test("are told of, with bounds", () => {
    const { json } = ask(keeperWithTraffic(), "/stats/top?by=path&limit=1");
    const { entries, ...all } = json as { entries: Record<string, unknown>[] };
    assert.deepEqual(all, { by: "path", total: 3, least: 1 });
    const [{ latency, ...first } = {}] = entries;
    assert.deepEqual(first, {
      ...{ path: "/a", is_cut: false, count: 2, at_least: 2, bytes_in: 2, bytes_out: 20 },
      ...{ failed: 0, connections: 0, statuses: { "1xx": 0, "2xx": 2, "3xx": 0, "4xx": 0, "5xx": 0 } },
    });
    assert.equal((latency as { count: number }).count, 2);
    assert.deepEqual(ask(keeperWithTraffic(), "/stats/top").json, {
      by: "client",
      total: 0,
      least: 0,
      entries: [],
    });
  });

  test("are not told of by something else, nor without end", () => {
    for (const query of ["by=host", "limit=0", "limit=1.5", "limit=x", "limit=5000"])
      assert.equal(ask(keeperWithTraffic(), `/stats/top?${query}`).status, 400, query);
  });
});

test("other paths and methods are others'", () => {
  const keeper = keeperWithTraffic();
  assert.equal(answerStats(keeper, apiRequest("GET", "/stats/x")), null);
  assert.equal(ask(keeper, "/stats", "POST").status, 405);
  const off = new TrafficKeeper({ enabled: false, top: 0 });
  assert.equal(ask(off, "/stats").status, 404);
});
