import type { Counters } from "../base/counters.ts";
import type { Random } from "../base/random.ts";
import type { TrafficBook } from "../base/traffic/traffic-book.ts";
import type { LimitMemories } from "../limits/create-limiter.ts";
import type { PluginSet } from "../plugins/plugin-set.ts";
import type { HttpCache } from "../proxy/caching/http-cache.ts";
import type { Forwarding } from "../proxy/forwarding.ts";
import type { Connector } from "../upstream/connector.ts";
import type { ServerGroup } from "../upstream/server-group.ts";
import type { HttpFaults } from "./faults/http-faults.ts";
import type { LimitMeans } from "./limits/route-limits.ts";
import type { OwnFilter } from "./modules/own-filter.ts";

/** What the configured proxy works with beside its settings: its thread's part in what all threads share. */
export interface ProxyMeans {
  /** By the names of upstreams. */
  readonly groups: ReadonlyMap<string, ServerGroup>;
  /** What limits count in, by their names; see `createLimiter`. */
  readonly limits: LimitMemories;
  /** Makes the limiters of limits that are kept elsewhere. Default: all are kept here. */
  readonly toLimiter?: LimitMeans["toLimiter"];
  /** What splits and mirrors draw their lots from. */
  readonly random: Random;
  /** Whose counts are written, from 0. */
  readonly thread: number;
  /** Those on the listener's routes, made for the same settings; whoever has them can switch them on and off. */
  readonly faults: HttpFaults;
  /** The connections that copies of requests share with the requests, so that they are closed together. */
  readonly connector: Connector;
  /** What the copies tell about the client: as much as the requests. */
  readonly forwarding: Forwarding;
  readonly counters: Counters;
  /** Those that routes name, by their names; absent where none does. */
  readonly caches?: ReadonlyMap<string, HttpCache>;
  /** Those that listeners and routes name; absent where none does. */
  readonly plugins?: Pick<PluginSet, "row">;
  /** Those that listeners and routes name, by their names; absent where none does. */
  readonly filters?: ReadonlyMap<string, OwnFilter>;
  /** Where the traffic of routes and upstreams is counted; absent: nowhere. */
  readonly traffic?: TrafficBook | null;
}
