import { type Ability, abilities } from "./check.ts";
import type { Purge } from "./lane.ts";
import { Origin } from "./origin.ts";
import { type CacheKind, cacheKinds, startCache } from "./proxies.ts";
import { type Address, Clients } from "./question.ts";

/** What the command line says of the proxy; all of it is optional. */
export interface TargetOptions {
  /** One of `proxies.ts`, to be started for the run. */
  readonly start?: string | undefined;
  /** Where the origin listens, for a proxy that is there already. */
  readonly "origin-port"?: string | undefined;
  /** The address of that proxy. */
  readonly proxy?: string | undefined;
  readonly "purge-method"?: string | undefined;
  readonly without?: string | undefined;
}

/** The same for `parseArgs`. */
export const targetOptions = {
  start: { type: "string" },
  "origin-port": { type: "string" },
  proxy: { type: "string" },
  "purge-method": { type: "string" },
  without: { type: "string" },
} as const;

/** An origin, the proxy that stands before it, and what is known of that. */
export interface Target extends AsyncDisposable {
  readonly origin: Origin;
  readonly proxy: Address;
  readonly purge: Purge | null;
  readonly without: readonly Ability[];
}

export async function openTarget(options: TargetOptions): Promise<Target> {
  const kind = kindOf(options.start);
  const origin = await Origin.start(Number(options["origin-port"] ?? 0));
  const started = kind === null ? null : await startCache(kind, origin.port);
  const proxy = addressIn(options.proxy ?? `127.0.0.1:${started?.port ?? 8080}`);
  return {
    ...{ origin, proxy, purge: purgeBy(options["purge-method"] ?? kind?.purgeMethod, proxy) },
    without: options.without === undefined ? (kind?.without ?? []) : abilitiesIn(options.without),
    async [Symbol.asyncDispose](): Promise<void> {
      await started?.[Symbol.asyncDispose]();
      await origin[Symbol.asyncDispose]();
    },
  };
}

function kindOf(name: string | undefined): CacheKind | null {
  if (name === undefined) return null;
  const found = cacheKinds[name];
  if (found === undefined) throw new Error(`--start: one of ${Object.keys(cacheKinds).join(", ")}`);
  return found;
}

function addressIn(text: string): Address {
  const [host = "127.0.0.1", port = "8080"] = text.split(":");
  return { host, port: Number(port) };
}

function purgeBy(method: string | null | undefined, proxy: Address): Purge | null {
  if (method === null || method === undefined) return null;
  const clients = new Clients(proxy);
  return async (path) => {
    const { status } = await clients.tell(path, method);
    const wasThere = status >= 200 && status <= 299;
    if (!wasThere && status !== 404) throw new Error(`${status} to ${method}`);
  };
}

function abilitiesIn(text: string): readonly Ability[] {
  return text
    .split(",")
    .filter((name) => name !== "")
    .map((name) => {
      const found = abilities.find((ability) => ability === name);
      if (found === undefined) throw new Error(`--without: of ${abilities.join(", ")}`);
      return found;
    });
}
