import type { ProxyState, Steering } from "./steering.ts";

type Orders = "create" | "update" | "remove" | "addToxic" | "updateToxic" | "removeToxic" | "setMode" | "cut";

/** What a scenario needs of whatever it is played on: `Steering` itself, or something that asks another process. */
export interface ScenarioTarget extends Pick<Steering, Orders> {
  /** All proxies. */
  list(): readonly ProxyState[] | Promise<readonly ProxyState[]>;
  /** @throws SteeringError PROXY_NOT_FOUND */
  get(name: string): ProxyState | Promise<ProxyState>;
}
