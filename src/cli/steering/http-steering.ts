import * as z from "zod";
import type { ToxicChange } from "../../chaos/faults.ts";
import { ALLOW, type Mode } from "../../chaos/mode.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import type { ScenarioTarget } from "../../control/scenario-target.ts";
import { type ProxyChange, type ProxyInit, type ProxyState, SteeringError } from "../../control/steering.ts";
import { type ApiClient, ApiError, type ApiProxy, pathOf } from "./api-client.ts";

const streams = z.enum(["upstream", "downstream", "both"]);
const amount = z.number().min(0);

const modeShape: z.ZodType<Mode> = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("allow") }),
  z.object({ kind: z.literal("deny"), cut: z.boolean() }),
  z.object({ kind: z.literal("latency"), latency: amount, jitter: amount, stream: streams }),
  z.object({ kind: z.literal("timeout"), timeout: amount, stream: streams }),
  z.object({ kind: z.literal("throttle"), rate: amount, stream: streams }),
]);

/** What only Sluice tells of a proxy, and only where it isn't the usual. */
const ownShape = z.looseObject({
  protocol: z.enum(["tcp", "udp", "http"]).default("tcp"),
  mode: modeShape.default(ALLOW),
});

/**
 * Steers the proxies of another process through its HTTP API: those of Sluice, and those of the original Toxiproxy as far
 * as it goes. Rejects with a `SteeringError`, or with an `ApiError` when the server can't be asked.
 */
export class HttpSteering implements ScenarioTarget {
  readonly #client: ApiClient;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  async list(): Promise<ProxyState[]> {
    return (await this.#client.proxies()).map(toState);
  }

  get(name: string): Promise<ProxyState> {
    return translated(name, "", async () => toState(await this.#client.proxy(name)));
  }

  /** A server that knows less than Sluice ignores what it doesn't know: that is added, or it is refused. */
  create(init: ProxyInit): Promise<ProxyState> {
    const { name, listen, upstreams, enabled = true, protocol = "tcp", toxics = [], mode = ALLOW } = init;
    return translated(name, "", async () => {
      const created = await this.#client.createProxy({
        ...{ name, listen, upstream: upstreams.join(","), enabled },
        ...(protocol === "tcp" ? {} : { protocol }),
        ...(toxics.length === 0 ? {} : { toxics }),
        ...(mode.kind === "allow" ? {} : { mode }),
      });
      try {
        await this.#complete(toState(created), { protocol, toxics, mode });
      } catch (error) {
        await this.#client.deleteProxy(name);
        throw error;
      }
      return toState(await this.#client.proxy(name));
    });
  }

  async #complete(
    state: ProxyState,
    { protocol, toxics, mode }: Required<Pick<ProxyInit, "protocol" | "toxics" | "mode">>,
  ): Promise<void> {
    if (state.protocol !== protocol)
      throw new SteeringError("INVALID", `${this.#client.url} has no proxies for ${protocol}`);
    const missing = toxics.filter(({ name }) => !state.toxics.some((toxic) => toxic.name === name));
    for (const toxic of missing) await this.addToxic(state.name, toxic);
    if (state.mode.kind !== mode.kind) await this.setMode(state.name, mode);
  }

  update(name: string, { upstreams, ...rest }: ProxyChange): Promise<ProxyState> {
    const change = { ...rest, ...(upstreams === undefined ? {} : { upstream: upstreams.join(",") }) };
    return translated(name, "", async () => toState(await this.#client.updateProxy(name, change)));
  }

  remove(name: string): Promise<void> {
    return translated(name, "", () => this.#client.deleteProxy(name));
  }

  addToxic(proxy: string, toxic: ToxicSettings): Promise<ToxicSettings> {
    return translated(proxy, toxic.name, () => this.#client.addToxic(proxy, toxic));
  }

  updateToxic(proxy: string, toxic: string, change: ToxicChange): Promise<ToxicSettings> {
    return translated(proxy, toxic, () => this.#client.updateToxic(proxy, toxic, change));
  }

  removeToxic(proxy: string, toxic: string): Promise<void> {
    return translated(proxy, toxic, () => this.#client.removeToxic(proxy, toxic));
  }

  setMode(proxy: string, mode: Mode): Promise<void> {
    return this.#own("modes", proxy, () => this.#client.request("PUT", pathOf(proxy, "mode"), mode));
  }

  cut(proxy: string, connection?: string): Promise<void> {
    const body = connection === undefined ? undefined : { connection };
    return this.#own("cuts", proxy, () => this.#client.request("POST", pathOf(proxy, "cut"), body));
  }

  /** Something that the original doesn't have. */
  #own(what: string, proxy: string, order: () => Promise<unknown>): Promise<void> {
    return translated(proxy, "", async () => {
      try {
        await order();
      } catch (error) {
        if (!(error instanceof ApiError) || error.message !== "404 page not found") throw error;
        throw new SteeringError("INVALID", `${this.#client.url} is no Sluice: it knows no ${what}`, {
          cause: error,
        });
      }
    });
  }
}

function toState(proxy: ApiProxy): ProxyState {
  const { name, listen, upstream, enabled, toxics } = proxy;
  const { protocol, mode } = ownShape.parse(proxy);
  return { name, protocol, listen, upstream, enabled, toxics, mode };
}

/** What the server said, with the names of what it was about. */
async function translated<T>(proxy: string, toxic: string, order: () => Promise<T>): Promise<T> {
  try {
    return await order();
  } catch (error) {
    throw error instanceof ApiError && error.status !== 0 ? translate(error, proxy, toxic) : error;
  }
}

function translate(error: ApiError, proxy: string, toxic: string): SteeringError {
  const options = { cause: error };
  switch (error.message) {
    case "proxy not found":
      return new SteeringError("PROXY_NOT_FOUND", `there is no proxy ${proxy}`, options);
    case "proxy already exists":
      return new SteeringError("PROXY_EXISTS", `there is a proxy ${proxy} already`, options);
    case "toxic not found":
      return new SteeringError("TOXIC_NOT_FOUND", `${proxy} has no toxic ${toxic}`, options);
    case "toxic already exists":
      return new SteeringError("TOXIC_EXISTS", `${proxy} has a toxic ${toxic} already`, options);
    case "invalid toxic type":
      return new SteeringError(
        "TOXIC_TYPE_UNKNOWN",
        `the server doesn't know the toxic ${toxic}'s type`,
        options,
      );
    default:
      return new SteeringError(error.status < 500 ? "INVALID" : "CANNOT_LISTEN", error.message, options);
  }
}
