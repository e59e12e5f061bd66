import type { ProxyTraffic } from "../worker/traffic-ledger.ts";

/** Tells how much the proxies of a running process have moved, in whichever threads. */
export interface TrafficSource {
  /** One for every proxy, address and server that connections were over on; all since the process began. */
  traffic(): Promise<ProxyTraffic[]>;
}
