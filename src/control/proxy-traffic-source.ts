import type { ProxyTraffic } from "../worker/proxy-traffic.ts";

/** Tells how much the proxies of a running process have moved, in whichever threads. */
export interface ProxyTrafficSource {
  /** One for every proxy, address and server that connections were over on; all since the process began. */
  traffic(): Promise<ProxyTraffic[]>;
}
