import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { apiRequest } from "../../../test/kit/api-request.ts";
import { MemorySteering } from "../../../test/kit/memory-steering.ts";
import { createRegistry } from "../../chaos/toxics/index.ts";
import type { ProxyTraffic } from "../../worker/proxy-traffic.ts";
import { answerMetrics } from "./metrics.ts";
import { ToxiproxyApi } from "./toxiproxy-api.ts";

const TRAFFIC: ProxyTraffic = {
  proxy: 'p<"q',
  listen: "127.0.0.1:19000",
  upstream: "u:1",
  receivedUp: 86,
  sentUp: 80,
  receivedDown: 2_000_000,
  sentDown: 187,
};

describe("metrics of proxies", () => {
  test("are those of Toxiproxy", async () => {
    const proxies = { traffic: async () => [{ ...TRAFFIC, listen: "127.0.0.1:19001" }, TRAFFIC] };
    const { status, headers, body } = await answerMetrics({ proxies, runtime: false });
    assert.equal(status, 200);
    assert.equal(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8; escaping=underscores");
    const labels = (direction: string, port: number): string =>
      `{direction="${direction}",listener="127.0.0.1:${port}",proxy="p<\\"q",upstream="u:1"}`;
    const lines = (name: string, down: string, up: string): string =>
      `# HELP ${name} \n# TYPE ${name} counter\n` +
      [19000, 19001].map((port) => `${name}${labels("downstream", port)} ${down}\n`).join("") +
      [19000, 19001].map((port) => `${name}${labels("upstream", port)} ${up}\n`).join("");
    assert.equal(
      body,
      lines("toxiproxy_proxy_received_bytes_total", "2e+06", "86") +
        lines("toxiproxy_proxy_sent_bytes_total", "187", "80"),
    );
  });

  test("aren't there before anything was moved", async () => {
    const { body } = await answerMetrics({ proxies: { traffic: async () => [] }, runtime: false });
    assert.equal(body, "");
  });
});

test("metrics of the process have the names that dashboards know", async () => {
  const { body } = await answerMetrics({ proxies: null, runtime: true });
  for (const name of [
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
  ])
    assert.match(String(body), new RegExp(`^${name} [\\d.e+]+$`, "m"));
  assert.match(String(body), /^nodejs_version_info{version="v\d+\.\d+\.\d+"} 1$/m);
});

test("metrics are served by any method, and only where they were asked for", async () => {
  const registry = createRegistry();
  const options = { steering: new MemorySteering(registry), registry, version: "1" };
  const metrics = (): ReturnType<typeof answerMetrics> => answerMetrics({ proxies: null, runtime: true });
  const api = new ToxiproxyApi({ ...options, metrics });
  assert.equal((await api.handle(apiRequest("POST", "/metrics")))?.status, 200);
  assert.equal(await new ToxiproxyApi(options).handle(apiRequest("GET", "/metrics")), null);
});
