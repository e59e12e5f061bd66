import type { Action, UpstreamSettings } from "../filters/settings.ts";
import type { RetryPolicy } from "../proxy/retries.ts";
import type { HealthCheckSettings } from "../upstream/group-settings.ts";
import type { PeerOptions } from "../upstream/peer.ts";
import { resolveIn } from "./resolve-in.ts";
import { checkServers, type FileSurroundings, readUpstreamTls } from "./resolve-upstream-tls.ts";
import type { HealthCheckDraft } from "./schema/health-check.ts";
import { toUpstream, type UpstreamDraft } from "./schema/upstream.ts";
import { addressesIn } from "./schema/upstream-reference.ts";

/** What upstreams take over from the document as a whole. */
export interface UpstreamSurroundings extends FileSurroundings {
  readonly zone: string | null;
  readonly retries: RetryPolicy;
}

type Drafts = Readonly<Record<string, UpstreamDraft>>;

/** The upstreams that a document names, and those that its routes write down in place. */
export function resolveUpstreams(
  defined: Drafts,
  actions: readonly Action[],
  around: UpstreamSurroundings,
): readonly UpstreamSettings[] {
  const all = new Map(Object.entries(defined));
  for (const reference of actions.flatMap(upstreamsOf))
    if (!all.has(reference)) all.set(reference, toUpstream(addressesIn(reference)));
  return [...all].map(([name, draft]) => complete(name, draft, around));
}

/** Every upstream that an action may lead to. */
function upstreamsOf(action: Action): string[] {
  if (action.kind !== "upstream") return [];
  const { upstream, split, mirror } = action;
  return [
    upstream,
    ...(split ?? []).map((target) => target.upstream),
    ...(mirror === null ? [] : [mirror.upstream]),
  ];
}

function complete(name: string, draft: UpstreamDraft, around: UpstreamSurroundings): UpstreamSettings {
  const { maxTries, nonIdempotent } = draft.retries;
  const { discovery, tls, checks, ...rest } = draft;
  const path = ["upstreams", name];
  const peer =
    tls === null
      ? draft.peer
      : { ...draft.peer, tls: { ...hostOf(discovery), ...readUpstreamTls(tls, [...path, "tls"], around) } };
  const addresses = draft.servers.map(({ address }) => address);
  checkServers(addresses, peer, (key) => [...path, key === "tls" ? "tls" : "connect_proxy"], around);
  return {
    ...rest,
    name,
    peer,
    zone: around.zone,
    retries: {
      ...draft.retries,
      maxTries: maxTries ?? around.retries.maxTries,
      nonIdempotent: nonIdempotent ?? around.retries.nonIdempotent,
    },
    discovery:
      discovery?.kind === "file"
        ? { ...discovery, path: resolveIn(around.folder, discovery.path) }
        : discovery,
    checks: checks.map((check) => completeCheck(check, peer, [...path, "health_check"], around)),
  };
}

/**
 * The host that servers found by DNS are known by: the one that was looked up. What the DNS answers can't be it, for whoever forges
 * an answer has a certificate for what stands in it (RFC 6125 §6.2.1).
 */
function hostOf(discovery: UpstreamDraft["discovery"]): { readonly host?: string } {
  if (discovery?.kind !== "dns" && discovery?.kind !== "srv") return {};
  return { host: discovery.name.replace(/^(?:_[^.]*\.)+/, "") };
}

/** Servers are asked whether they are well over connections like those that requests go over. */
function completeCheck(
  { settings, takesTls }: HealthCheckDraft,
  peer: PeerOptions,
  path: readonly string[],
  around: FileSurroundings,
): HealthCheckSettings {
  const { proxy, localAddress } = peer;
  const check: HealthCheckSettings = {
    ...settings,
    ...(proxy === undefined ? {} : { proxy }),
    ...(localAddress === undefined ? {} : { localAddress }),
  };
  if (check.kind === "tcp") return check;
  // Another port may speak anything.
  if (check.kind === "http" && check.port === null && peer.protocol === "h2c")
    return { ...check, http2: true };
  if (takesTls && typeof peer.tls === "object") return { ...check, tls: peer.tls };
  if (check.tls?.ca === undefined) return check;
  const { ca, ...options } = check.tls;
  return { ...check, tls: readUpstreamTls({ options, ca: [ca].flat(), identity: null }, path, around, []) };
}
