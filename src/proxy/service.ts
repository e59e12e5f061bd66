import type { Socket } from "node:net";
import type { Counters } from "../base/counters.ts";
import type { TrafficBook } from "../base/traffic/traffic-book.ts";
import type { TlsSource } from "../net/tls/listener-settings.ts";
import type { ErrorReporter, SessionObserver } from "./http-proxy.ts";
import type { MaybePromise } from "./phases.ts";

/** What a service gets from the thread it runs in. */
export interface ServiceContext {
  readonly counters: Counters;
  /** Where the traffic of its listeners is counted; absent: nowhere. */
  readonly traffic?: TrafficBook | null;
  /** Hears of finished sessions; null when nobody wants to. */
  readonly observer: SessionObserver | null;
  readonly reporter: ErrorReporter | null;
  /** 0 for the first thread, and when there is only one. */
  readonly thread: number;
  /** Aborted the moment the server begins to shut down: nothing new should be begun. */
  readonly signal: AbortSignal;
  /** Where what listeners need for TLS comes from. */
  readonly tls: TlsSource;
  /** Gets the secrets of all TLS connections, for whoever asked for them; null: nobody did. */
  readonly keyLog: ((line: Buffer) => void) | null;
}

/**
 * Something that runs in every data plane thread: it answers on listeners, or works in the background. A server starts
 * its services in the order that `dependsOn` asks for and opens their listeners once they are ready.
 */
export interface Service {
  /** Unique within a server. */
  readonly name: string;
  /** Addresses to listen on, as `parseAddress` takes them. */
  readonly listen: readonly string[];
  /** True for a service that answers on listeners but names none: it gets those that the program is run with. */
  readonly takesBinds?: boolean;
  /** Services that have to be ready before this one starts. */
  readonly dependsOn?: readonly string[];
  /** True for a service of which there is one in the process: it runs in the first thread only. */
  readonly once?: boolean;
  /** True when its accepted sockets should be handed over without being read from yet. */
  readonly pausesAccepted?: boolean;
  /** Called once before the listeners open; ready when it returns or its promise is kept. */
  start(context: ServiceContext): MaybePromise<void>;
  /** A connection came in on `listener`, one of `listen` with the port that it got. */
  accept(socket: Socket, listener: string): void;
  /**
   * @internal This service is to take the place of another on the same address. Called before `start`; what the other has
   * goes on meanwhile, and for good when this one is destroyed instead.
   * @returns false: it can't, and the other is to be drained
   */
  succeed?(predecessor: Service): boolean;
  /** @internal From now on the connections of the other are this one's, and requests that begin on them too. */
  takeOver?(): void;
  /**
   * Takes nothing new, and has what stands end by itself, however long that takes: others go on in its place. Kept when
   * nothing is left. Absent: it is drained.
   */
  retire?(): Promise<void>;
  /** Finishes what is under way; takes nothing new. Called once those that depend on it are drained. */
  drain(): Promise<void>;
  /** Ends everything now. Also called after `drain`, and when the service never started. */
  destroy(): void;
}

/** A program of several services: what a module run by `sluice run` may export. */
export interface ServerDefinition {
  readonly services: readonly Service[];
}

/**
 * Types a server of several services.
 * @throws TypeError when names repeat, or a dependency is missing or goes in a circle
 */
export function defineServer(definition: ServerDefinition): ServerDefinition {
  inStartOrder(definition.services);
  return definition;
}

/**
 * The services, each after those it depends on.
 * @param isPartial true in threads where services that run once don't: nobody waits for them there
 */
export function inStartOrder(services: readonly Service[], isPartial: boolean = false): Service[] {
  const byName = new Map<string, Service>();
  for (const service of services) {
    if (byName.has(service.name)) throw new TypeError(`Two services are called ${service.name}`);
    byName.set(service.name, service);
  }
  const ordered: Service[] = [];
  const visiting: string[] = [];
  const visit = (name: string, neededBy: string): void => {
    const service = byName.get(name);
    if (service === undefined && isPartial) return;
    if (service === undefined)
      throw new TypeError(`Service ${neededBy} depends on ${name}, which is not there`);
    if (ordered.includes(service)) return;
    if (visiting.includes(name))
      throw new TypeError(`Services depend on each other: ${[...visiting, name].join(" → ")}`);
    visiting.push(name);
    for (const dependency of service.dependsOn ?? []) visit(dependency, name);
    visiting.pop();
    ordered.push(service);
  };
  for (const service of services) visit(service.name, service.name);
  return ordered;
}
