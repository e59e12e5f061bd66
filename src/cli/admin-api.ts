import { CachesApi } from "../admin/caches/caches-api.ts";
import { answerHealth } from "../admin/health/health-api.ts";
import { AdminServer } from "../admin/http/admin-server.ts";
import { answerReload } from "../admin/process/reload-api.ts";
import { answerUpgrade } from "../admin/process/upgrade-api.ts";
import { answerStats } from "../admin/stats/stats-api.ts";
import { ToxiproxyApi } from "../admin/toxiproxy/toxiproxy-api.ts";
import { answerLimits } from "../admin/upstreams/limits-api.ts";
import { UpstreamsApi } from "../admin/upstreams/upstreams-api.ts";
import { createRegistry } from "../chaos/toxics/index.ts";
import type { Health } from "../control/health.ts";
import type { Mounted } from "../control/reload/mount.ts";
import type { ReloadControl } from "../control/reload/reload-control.ts";
import type { Running } from "../control/running.ts";
import type { Upgrader } from "../control/upgrade/upgrader.ts";
import { formatAddress } from "../net/address.ts";
import { apiAddress } from "./api-address.ts";
import { mountServer } from "./mount-server.ts";
import { version } from "./version.ts";

/** Whose its socket is. */
const OWNER = "admin API";

export interface ApiOptions {
  /** What the API is for. */
  readonly running: Pick<
    Running,
    "steering" | "upstreams" | "limits" | "caches" | "stats" | "lend" | "giveBack" | "generations"
  >;
  /** What orchestrators are told; absent where there is nothing to tell. */
  readonly health?: Health;
  /** What has another process take the place of this one; absent where none can. */
  readonly upgrader?: Upgrader;
  /** What has the process run something else; absent where nothing does. */
  readonly reloads?: ReloadControl;
  /** True for the usual one. A bare port is one on the loopback interface. */
  readonly address: string | true;
  readonly token: string | null;
  readonly onError: (error: unknown) => void;
}

/** The admin API while it is mounted. */
export interface MountedApi extends Mounted {
  /** Requests have to bring another one from now on; null: none. */
  setToken(token: string | null): void;
}

/** Mounts the admin API. Rejects, in the user's words, when its address can't be listened on. */
export async function mountApi({
  running,
  health,
  upgrader,
  reloads,
  address,
  token,
  onError,
}: ApiOptions): Promise<MountedApi> {
  const parsed = apiAddress(address);
  if (parsed.kind === "unix") throw new TypeError(`${address} is no host and port`);
  const { steering, upstreams, limits, caches, stats } = running;
  const proxies = new ToxiproxyApi({ steering, upstreams, registry: createRegistry(), version: version() });
  const groups = new UpstreamsApi(upstreams);
  const cached = new CachesApi(caches);
  const server = new AdminServer({
    host: parsed.host,
    port: parsed.port,
    token,
    handlers: [
      (request) => proxies.handle(request),
      (request) => groups.handle(request),
      async (request) => answerLimits(limits, request),
      (request) => cached.handle(request),
      async (request) => answerStats(stats, request),
      async (request) =>
        reloads === undefined
          ? null
          : answerReload({ reloads, generations: () => running.generations }, request),
      async (request) => (upgrader === undefined ? null : answerUpgrade(upgrader, request)),
    ],
    ...(health === undefined ? {} : { openHandlers: [(request) => answerHealth(health, request)] }),
    onError,
  });
  try {
    const mounted = await mountServer(server, formatAddress(parsed), OWNER, running);
    return { ...mounted, setToken: (other) => server.setToken(other) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === "EADDRINUSE" ? "another program listens there already" : message;
    throw new Error(`Can't mount the API on ${formatAddress(parsed)}: ${reason}`, { cause: error });
  }
}
