import type { Action, FilterSettings, RouteSettings, UpstreamSettings } from "../../filters/settings.ts";
import type { RunSpec } from "../../worker/run-spec.ts";

/*
 * What is run, in the words and at the places in which people write it down: close enough to the file that everybody knows
 * what is meant, while everything has its normal form.
 */

/** Names that routes and faults have by themselves; those are no names to people. */
const OWN_NAME = /^routes\[\d+\]/;

export function toPlainSpec(spec: RunSpec): Readonly<Record<string, unknown>> {
  const { snapshot, program, binds, accessLog, errorLog, fips, keyLog, toxics, seed } = spec;
  return inPlainWords({
    program,
    ...(program === null ? {} : { binds }),
    accessLog,
    errorLog: errorLog.path,
    logLevel: errorLog.level,
    ...{ fips: fips === true, keyLog: keyLog ?? null, toxics: toxics ?? [], seed },
    ...(snapshot === null ? {} : plainSnapshot(snapshot)),
  }) as Readonly<Record<string, unknown>>;
}

function plainSnapshot(snapshot: NonNullable<RunSpec["snapshot"]>): object {
  const { listeners, proxies, upstreams, limits, filters, process, chaos, warnings, ...rest } = snapshot;
  const { upgradeSocket, ...processSettings } = process;
  const { accessLog, errorLog, logLevel, gracePeriod, ...settings } = rest;
  return {
    gracePeriodSeconds: gracePeriod / 1_000,
    ...settings,
    ...processSettings,
    upgradeSock: upgradeSocket,
    scenario: chaos.scenario,
    listeners: [
      ...listeners.map(({ routes, ...listener }) => ({ ...listener, routes: routes.map(plainRoute) })),
      ...proxies.map(({ name, listen, ...proxy }) => ({ name, bind: listen, ...proxy })),
    ],
    upstreams: upstreams.map(plainUpstream),
    limits,
    filters: filters.map(plainFilter),
  };
}

/** Limits are told of once, by their names. */
function plainRoute({ name, action, faults, limits, ...route }: RouteSettings): object {
  return {
    ...(OWN_NAME.test(name) ? {} : { name }),
    ...route,
    ...plainAction(action),
    faults: faults.map(({ name: fault, ...settings }) => {
      return OWN_NAME.test(fault) ? settings : { name: fault, ...settings };
    }),
    limits: limits.map((limit) => limit.name),
  };
}

function plainAction(action: Action): object {
  const { kind, ...settings } = action;
  return kind === "upstream" ? settings : { [kind]: settings };
}

/** Of a config nobody but its module knows what is a secret: it is one value. */
function plainFilter({ name, module, config }: FilterSettings): object {
  return { name, module, config: JSON.stringify(config) ?? null };
}

/** Where servers are written down, how many there may be follows from them. */
function plainUpstream({ peer, mostServers, ...upstream }: UpstreamSettings): object {
  return { ...peer, ...upstream, ...(upstream.discovery === null ? {} : { mostServers }) };
}

/** `maxConnections` is `max_connections` in a file. */
function inPlainWords(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inPlainWords);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(entries.map(([key, inner]) => [toSnakeCase(key), inPlainWords(inner)]));
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
