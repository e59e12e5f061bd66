import type { ProxyTrafficSource } from "../../control/proxy-traffic-source.ts";
import type { ProxyTraffic } from "../../worker/proxy-traffic.ts";
import { type ApiResponse, answer } from "../http/api-message.ts";
import { compareBytes } from "../json/write-json.ts";
import { EXPOSITION_TYPE, type Metric, type Sample, toExposition } from "./exposition.ts";
import { processMetrics } from "./process-metrics.ts";

export interface MetricsOptions {
  /** What proxies have moved; null to leave it out. */
  readonly proxies: ProxyTrafficSource | null;
  /** Whether the process is told of: its memory, its time. */
  readonly runtime: boolean;
}

/** Answers `/metrics` as Toxiproxy does: by the names that its dashboards know. */
export async function answerMetrics({ proxies, runtime }: MetricsOptions): Promise<ApiResponse> {
  const metrics = [
    ...(runtime ? processMetrics() : []),
    ...(proxies === null ? [] : proxyMetrics(await proxies.traffic())),
  ];
  return answer(200, EXPOSITION_TYPE, toExposition(metrics));
}

function proxyMetrics(traffic: readonly ProxyTraffic[]): Metric[] {
  return [
    counter("toxiproxy_proxy_received_bytes_total", traffic, {
      downstream: ({ receivedDown }) => receivedDown,
      upstream: ({ receivedUp }) => receivedUp,
    }),
    counter("toxiproxy_proxy_sent_bytes_total", traffic, {
      downstream: ({ sentDown }) => sentDown,
      upstream: ({ sentUp }) => sentUp,
    }),
  ];
}

type ByDirection = Readonly<Record<"downstream" | "upstream", (traffic: ProxyTraffic) => number>>;

function counter(name: string, all: readonly ProxyTraffic[], values: ByDirection): Metric {
  const samples = Object.entries(values).flatMap(([direction, count]) =>
    all.map((traffic) => toSample(direction, traffic, count(traffic))),
  );
  // The original has no word of help for them either, and leaves the space before it.
  return { name, type: "counter", help: "", samples: samples.toSorted(compareSamples) };
}

function toSample(direction: string, { proxy, listen, upstream }: ProxyTraffic, value: number): Sample {
  const labels = Object.entries({ direction, listener: listen, proxy, upstream });
  return { labels, value };
}

function compareSamples(a: Sample, b: Sample): number {
  const different = a.labels.findIndex(([, value], i) => value !== b.labels[i]?.[1]);
  return different === -1 ? 0 : compareBytes(a.labels[different]![1], b.labels[different]![1]);
}
