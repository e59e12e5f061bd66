import type { StreamProxySettings, StreamTraffic } from "../proxy/stream-proxy.ts";

/** What a proxy has moved while it led from one address to one server, on connections that are over. Plain data. */
export interface ProxyTraffic extends StreamTraffic {
  readonly proxy: string;
  /** The bound address. */
  readonly listen: string;
  /** Several servers separated by commas. */
  readonly upstream: string;
}

/** Addresses that are remembered; whoever makes proxies without end on ports without end loses sight of the oldest. */
const MOST = 10_000;

/** Adds up what connections have moved. It outlives the proxies, as counters have to. */
export class ProxyTrafficLedger {
  readonly #entries = new Map<string, ProxyTraffic>();

  add(
    { name, upstreams }: Pick<StreamProxySettings, "name" | "upstreams">,
    listen: string,
    traffic: StreamTraffic,
  ): void {
    const upstream = upstreams.join(",");
    addTo(this.#entries, { proxy: name, listen, upstream, ...traffic });
    if (this.#entries.size <= MOST) return;
    const [oldest = ""] = this.#entries.keys();
    this.#entries.delete(oldest);
  }

  get entries(): ProxyTraffic[] {
    return [...this.#entries.values()];
  }
}

/** The same from several threads, as one. */
export function sumProxyTraffic(all: Iterable<ProxyTraffic>): ProxyTraffic[] {
  const sums = new Map<string, ProxyTraffic>();
  for (const traffic of all) addTo(sums, traffic);
  return [...sums.values()];
}

function addTo(entries: Map<string, ProxyTraffic>, traffic: ProxyTraffic): void {
  const key = JSON.stringify([traffic.proxy, traffic.listen, traffic.upstream]);
  const before = entries.get(key);
  entries.set(key, before === undefined ? traffic : plus(before, traffic));
}

function plus(a: ProxyTraffic, b: ProxyTraffic): ProxyTraffic {
  return {
    ...a,
    receivedUp: a.receivedUp + b.receivedUp,
    sentUp: a.sentUp + b.sentUp,
    receivedDown: a.receivedDown + b.receivedDown,
    sentDown: a.sentDown + b.sentDown,
  };
}
