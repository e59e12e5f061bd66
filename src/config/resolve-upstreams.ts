import { isAbsolute, join } from "node:path";
import type { Action, UpstreamSettings } from "../filters/settings.ts";
import type { RetryPolicy } from "../proxy/retries.ts";
import type { HealthCheckSettings } from "../upstream/group-settings.ts";
import { ConfigError } from "./config-error.ts";
import { readText } from "./read-text.ts";
import { toUpstream, type UpstreamDraft } from "./schema/upstream.ts";
import { addressesIn } from "./schema/upstream-reference.ts";
import type { Finding } from "./source-document.ts";

/** What upstreams take over from the document as a whole. */
export interface UpstreamSurroundings {
  readonly zone: string | null;
  readonly retries: RetryPolicy;
  /** Where files are looked for. */
  readonly folder: string;
  /** Hears of files that can't be read. */
  note(finding: Finding): void;
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
  const { discovery } = draft;
  return {
    ...draft,
    name,
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
    checks: draft.checks.map((check) => withCertificates(check, name, around)),
  };
}

/** Certificates to trust go along as text: threads and probes read no files. */
function withCertificates(
  check: HealthCheckSettings,
  name: string,
  { folder, note }: UpstreamSurroundings,
): HealthCheckSettings {
  if (check.kind === "tcp" || check.tls === null || check.tls.ca === null) return check;
  try {
    const ca = readText(resolveIn(folder, check.tls.ca));
    if (!ca.includes("-----BEGIN CERTIFICATE-----")) throw new Error("there is no certificate in it");
    return { ...check, tls: { ...check.tls, ca } };
  } catch (error) {
    const reason = error instanceof ConfigError ? error.entries[0]!.message : (error as Error).message;
    const path = ["upstreams", name, "health_check"];
    note({ path, message: `${check.tls.ca}: ${reason}`, expected: "a file with certificates, PEM" });
    return check;
  }
}

export function resolveIn(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
