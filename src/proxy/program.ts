import { parseAddress } from "../net/address.ts";
import { httpProxy } from "./http-proxy-service.ts";
import type { ProxyPhases } from "./phases.ts";
import type { ServerDefinition, Service } from "./service.ts";

const EXPECTED =
  "expected a proxy (defineProxy), a server (defineServer), a service (httpProxy, httpService, tcpService, " +
  "backgroundService) or an array of services";

/**
 * The services that a program stands for.
 *
 * @param exported what a module exports by default, or what `serve` was given
 * @param binds addresses for what names none: a proxy's phases, or the one service that was made without `listen`
 * @param fallback address for it when `binds` is empty
 * @throws TypeError when it is no program, when there is nobody to take `binds`, or more than one
 * @throws RangeError when an address can't be read
 */
export function toServices(exported: unknown, binds: readonly string[], fallback?: string): Service[] {
  const services = isPhases(exported) ? [httpProxy({ phases: exported })] : listServices(exported);
  const bound = giveBinds(services, binds, fallback);
  for (const service of bound) checkAddresses(service);
  return bound;
}

/** True for the phases of a proxy. */
export function isPhases(exported: unknown): exported is ProxyPhases<unknown> {
  return isObject(exported) && typeof exported["upstreamPeer"] === "function";
}

function listServices(exported: unknown): Service[] {
  if (isService(exported)) return [exported];
  const list = isDefinition(exported) ? exported.services : exported;
  if (!Array.isArray(list))
    throw new TypeError(`This is no program: it is ${describe(exported)}; ${EXPECTED}`);
  if (list.length === 0) throw new TypeError("This program has no services");
  const wrong = list.findIndex((entry) => !isService(entry));
  if (wrong === -1) return list as Service[];
  const hint = isPhases(list[wrong])
    ? "phases: wrap them in httpProxy({ listen, phases })"
    : describe(list[wrong]);
  throw new TypeError(`Service ${wrong} of this program is none: it is ${hint}`);
}

function giveBinds(services: readonly Service[], binds: readonly string[], fallback?: string): Service[] {
  const takers = services.filter((service) => service.takesBinds === true);
  if (takers.length > 1) {
    const names = takers.map((service) => service.name).join(" and ");
    throw new TypeError(`Services ${names} name no address to listen on; only one may be left to be told`);
  }
  const [taker] = takers;
  if (taker === undefined) {
    if (binds.length === 0) return [...services];
    throw new TypeError(`This program names its own addresses, so that ${binds.join(" and ")} can't be used`);
  }
  const given = binds.length > 0 || fallback === undefined ? binds : [fallback];
  if (given.length === 0) {
    throw new TypeError(
      `Service ${taker.name} names no address to listen on, and none was given: pass one, such as --bind 127.0.0.1:8080`,
    );
  }
  return services.map((service) => (service === taker ? new BoundService(service, given) : service));
}

function checkAddresses(service: Service): void {
  for (const address of service.listen) {
    try {
      parseAddress(address);
    } catch (error) {
      throw new RangeError(`Service ${service.name}: ${(error as Error).message}`, { cause: error });
    }
  }
}

/** A service with addresses that were given to it. */
class BoundService implements Service {
  readonly name: string;
  readonly listen: readonly string[];
  readonly dependsOn: readonly string[];
  readonly once: boolean;
  readonly pausesAccepted: boolean;
  readonly start: Service["start"];
  readonly accept: Service["accept"];
  readonly retire: NonNullable<Service["retire"]>;
  readonly drain: Service["drain"];
  readonly destroy: Service["destroy"];

  constructor(service: Service, listen: readonly string[]) {
    this.name = service.name;
    this.listen = listen;
    this.dependsOn = service.dependsOn ?? [];
    this.once = service.once ?? false;
    this.pausesAccepted = service.pausesAccepted ?? false;
    this.start = service.start.bind(service);
    this.accept = service.accept.bind(service);
    this.retire = () => service.retire?.() ?? service.drain();
    this.drain = service.drain.bind(service);
    this.destroy = service.destroy.bind(service);
  }
}

function isDefinition(exported: unknown): exported is ServerDefinition {
  return isObject(exported) && Array.isArray(exported["services"]);
}

const SERVICE_METHODS = ["start", "accept", "drain", "destroy"] as const;

function isService(exported: unknown): exported is Service {
  if (!isObject(exported) || typeof exported["name"] !== "string" || !Array.isArray(exported["listen"]))
    return false;
  return SERVICE_METHODS.every((method) => typeof exported[method] === "function");
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** What somebody exported, in words that help to find it. */
function describe(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (typeof value === "function") return `the function ${value.name || "without a name"}`;
  if (!isObject(value)) return `the ${typeof value} ${JSON.stringify(value) ?? String(value)}`;
  if (typeof value["then"] === "function") return "a promise: await it first";
  const keys = Object.keys(value);
  const what = keys.length === 0 ? "an object without keys" : `an object with the keys ${keys.join(", ")}`;
  return keys.some((key) => PHASE_LIKE.test(key)) ? `${what}, but without the phase upstreamPeer` : what;
}

const PHASE_LIKE = /Filter$|^newContext$|^failTo|^errorWhile|^logging$/;
