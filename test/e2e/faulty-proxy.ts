import { ManualAlarmClock } from "../../src/base/alarms.ts";
import { parseConfig } from "../../src/config/load.ts";
import { createConfiguredProxy, type RouteContext } from "../../src/filters/configured-proxy.ts";
import { HttpFaults } from "../../src/filters/faults/http-faults.ts";
import { until } from "../kit/deadline.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";
import { proxyMeans } from "../kit/proxy-means.ts";
import { type ProxyUnderTest, startProxy } from "./proxy.ts";

const NAME = "main";

/** A proxy with faults before an origin, on a clock that stands still. */
export class FaultyProxy implements AsyncDisposable {
  readonly proxy: ProxyUnderTest;
  readonly origin: Origin;
  readonly faults: HttpFaults;
  readonly clock: ManualAlarmClock;

  constructor(proxy: ProxyUnderTest, origin: Origin, faults: HttpFaults, clock: ManualAlarmClock) {
    this.proxy = proxy;
    this.origin = origin;
    this.faults = faults;
    this.clock = clock;
  }

  get url(): string {
    return `http://127.0.0.1:${this.proxy.port}`;
  }

  /** Waits until so many requests are under way here. */
  underWay(requests: number): Promise<unknown> {
    return until(`${requests} requests are under way`, () => this.proxy.count("requestsActive") === requests);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy[Symbol.asyncDispose]();
    await this.origin[Symbol.asyncDispose]();
  }
}

/**
 * @param faults as a configuration has them
 * @param does what the listener does with requests; `upstream`: sends them to an origin
 */
export async function startFaulty(faults: string, does: string = "upstream"): Promise<FaultyProxy> {
  const origin = await startOrigin();
  const action = does === "upstream" ? `upstream: "${origin.address}"` : does;
  const text = `listeners: [{ bind: 0, name: ${NAME}, ${action}, faults: [${faults}] }]`;
  const settings = parseConfig(text, "a.yaml", {});
  const httpFaults = new HttpFaults(settings, NAME, { seed: "seed" });
  const phases = createConfiguredProxy(settings, NAME, proxyMeans(settings, NAME, httpFaults));
  const clock = new ManualAlarmClock();
  const proxy = await startProxy<RouteContext>({ phases, alarms: clock });
  return new FaultyProxy(proxy, origin, httpFaults, clock);
}
