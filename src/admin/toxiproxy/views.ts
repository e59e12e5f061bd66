import { ALLOW } from "../../chaos/mode.ts";
import type { ToxicRegistry } from "../../chaos/registry.ts";
import type { ToxicSettings } from "../../chaos/toxic.ts";
import type { ProxyState } from "../../control/steering.ts";
import type { ConnectionState } from "../../proxy/stream-proxy.ts";
import { arrayJson, compareBytes, float32Json, objectJson, textJson, valueJson } from "../json/write-json.ts";

/** State as JSON, the members in the order that clients have always seen. */
export class Views {
  readonly #registry: ToxicRegistry;

  constructor(registry: ToxicRegistry) {
    this.#registry = registry;
  }

  /** By name, sorted. */
  proxies(states: readonly ProxyState[]): string {
    const sorted = states.toSorted((a, b) => compareBytes(a.name, b.name));
    return objectJson(sorted.map((state) => [state.name, this.proxy(state)]));
  }

  /** What only Sluice has comes last, and only where it isn't what every Toxiproxy would do. */
  proxy({ name, listen, upstream, enabled, toxics, protocol, mode }: ProxyState): string {
    return objectJson([
      ["name", textJson(name)],
      ["listen", textJson(listen)],
      ["upstream", textJson(upstream)],
      ["enabled", String(enabled)],
      // The original shows an inner part of itself; a client may have got used to it.
      ["Logger", "{}"],
      ["toxics", this.toxics(toxics)],
      ...(protocol === "tcp" ? [] : ([["protocol", textJson(protocol)]] as const)),
      ...(mode.kind === ALLOW.kind ? [] : ([["mode", JSON.stringify(mode)]] as const)),
    ]);
  }

  connection({ id, client, upstream, bytesUp, bytesDown, age, toxics, tls }: ConnectionState): string {
    const known = { id, client, upstream, bytes_up: bytesUp, bytes_down: bytesDown, age, toxics };
    if (tls === undefined) return JSON.stringify(known);
    return JSON.stringify({ ...known, tls: { server_name: tls.serverName, version: tls.version } });
  }

  toxics(toxics: readonly ToxicSettings[]): string {
    return arrayJson(toxics.map((toxic) => this.toxic(toxic)));
  }

  toxic(toxic: ToxicSettings): string {
    return objectJson([
      ["attributes", this.#attributes(toxic)],
      ["name", textJson(toxic.name)],
      ["type", textJson(toxic.type)],
      ["stream", textJson(toxic.stream)],
      ["toxicity", float32Json(toxic.toxicity)],
    ]);
  }

  #attributes({ type, attributes }: ToxicSettings): string {
    const specs = Object.entries(this.#registry.get(type)?.attributes ?? {});
    const shown = specs.filter(([name, spec]) => !spec.isExtra || attributes[name] !== spec.default);
    return objectJson(shown.map(([name, spec]) => [name, valueJson(attributes[name] ?? spec.default)]));
  }
}
