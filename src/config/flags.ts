import { type ConfigProblem, formatPath } from "./config-error.ts";
import { HASHING_POLICIES } from "./schema/balance.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Finding, ProblemLocator } from "./source-document.ts";
import { toSnapshot } from "./to-snapshot.ts";

/** TLS towards servers. */
export interface UpstreamTlsFlags {
  /** Null: the host of each server. */
  readonly sni: string | null;
  /** Files; none: the well-known authorities. */
  readonly ca: readonly string[];
  readonly isVerified: boolean;
}

/** A proxy from flags alone. What is absent is as in a configuration without it. Times in seconds; 0 switches off. */
export interface ProxyFlags {
  /** Addresses to listen on. */
  readonly bind: readonly string[];
  /** Addresses of servers. */
  readonly upstream: readonly string[];
  /** Requests outside of it get 404. */
  readonly contextPath: string | null;
  /** The Host that servers get, instead of the client's. */
  readonly host: string | null;
  /** Null or absent: as many as there are processors. */
  readonly threads?: number | null;
  /** What the servers speak, as the configuration names it. */
  readonly protocol?: string;
  /** Null or absent: TLS is spoken with servers whose addresses begin with `https://`. */
  readonly upstreamTls?: UpstreamTlsFlags | null;
  /** How requests are spread over the servers. */
  readonly balance?: string;
  /** Servers are asked for a path, again and again. */
  readonly httpCheck?: { readonly interval: number; readonly path: string };
  /** How often a connection to servers is tried. */
  readonly connectInterval?: number;
  /** Requests a minute for each client's address, in fixed windows. */
  readonly requestsPerMinute?: number;
  /** Responses are compressed for clients that accept it. */
  readonly compress?: boolean;
  /** The size of a cache for what servers allow to be cached, as the configuration has it. */
  readonly cache?: string;
  /** Between two requests on a client's connection. */
  readonly idleTimeout?: number;
  /** Certificates with their keys, by files: clients connect with TLS. */
  readonly certificates?: readonly { readonly cert: string; readonly key: string }[];
  /** Where the admin API listens. */
  readonly admin?: string;
}

/**
 * The configuration that flags stand for. It is written down as a document first, so that flags and files are checked
 * alike.
 * @throws ConfigError that names flags
 */
export function snapshotFromFlags(flags: ProxyFlags): Snapshot {
  const { bind, idleTimeout, threads = null, admin, certificates = [] } = flags;
  const timeouts = idleTimeout === undefined ? {} : { timeouts: { keepalive: idleTimeout } };
  const tls = certificates.length === 0 ? {} : { tls: { certificates } };
  const document = {
    threads: threads ?? "auto",
    ...(admin === undefined ? {} : { admin }),
    listeners: bind.map((address) => ({ bind: address, forwarded: "append", ...timeouts, ...tls })),
    routes: [toRoute(flags)],
    upstreams: { servers: toUpstream(flags) },
  };
  return toSnapshot(document, FLAGS);
}

function toRoute(flags: ProxyFlags): object {
  const { contextPath, host, requestsPerMinute = 0, compress = false, cache } = flags;
  const prefix = contextPath?.replace(/(?<=.)\/$/, "");
  const limit = { limit: requestsPerMinute, per: "1m", by: "client", algorithm: "fixed_window" };
  return {
    upstream: "servers",
    ...(prefix === undefined || prefix === "/" ? {} : { match: { path: { prefix } } }),
    ...(host === null ? {} : { rewrite: { host } }),
    ...(compress ? { compress } : {}),
    ...(cache === undefined ? {} : { cache: { use: cache } }),
    ...(requestsPerMinute === 0 ? {} : { limits: [limit] }),
  };
}

function toUpstream(flags: ProxyFlags): object {
  const { upstream, balance, protocol, upstreamTls: tls = null } = flags;
  const checks = toChecks(flags);
  return {
    servers: [...upstream],
    ...(protocol === undefined ? {} : { protocol }),
    ...(tls === null ? {} : { tls: toTls(tls) }),
    ...(balance === undefined ? {} : { balance: toBalance(balance) }),
    ...(checks.length === 0 ? {} : { health_check: checks }),
  };
}

function toTls({ sni, ca, isVerified }: UpstreamTlsFlags): object {
  return {
    ...(sni === null ? {} : { sni }),
    ...(ca.length === 0 ? {} : { ca: [...ca] }),
    ...(isVerified ? {} : { verify_cert: false }),
  };
}

function toBalance(policy: string): unknown {
  return HASHING_POLICIES.some((name) => name === policy) ? { policy, by: "client" } : policy;
}

/** Any answer that doesn't blame the server will do: nobody has told what there is at the path. */
const ANY_BUT_SERVER_ERRORS = "200-499";

function toChecks({ httpCheck, connectInterval = 0, host }: ProxyFlags): object[] {
  const headers = host === null ? {} : { headers: { host } };
  const http =
    httpCheck === undefined || httpCheck.interval === 0
      ? []
      : [{ http: httpCheck.path, interval: httpCheck.interval, expect: ANY_BUT_SERVER_ERRORS, ...headers }];
  return connectInterval === 0 ? http : [...http, { tcp: true, interval: connectInterval }];
}

const FLAG_BY_PATH: readonly (readonly [path: RegExp, flag: string])[] = [
  [/^threads/, "--threads"],
  [/^admin/, "--admin"],
  [/^listeners\[\d+\]\.timeouts/, "--idle-timeout"],
  [/^listeners\[\d+\]\.tls/, "--cert or --key"],
  [/^listeners/, "--bind"],
  [/^upstreams\.servers\.protocol/, "--protocol"],
  [/^upstreams\.servers\.tls\.sni/, "--sni"],
  [/^upstreams\.servers\.tls\.ca/, "--ca"],
  [/^upstreams\.servers\.tls/, "--tls"],
  [/^upstreams\.servers\.balance/, "--balance"],
  [/^upstreams\.servers\.health_check\[\d+\]\.http/, "--active-health-check-path"],
  [/^upstreams\.servers\.health_check\[\d+\]\.headers/, "--host"],
  [/^upstreams\.servers\.health_check/, "--active-health-check-interval or --hc-freq"],
  [/^upstreams/, "--upstream"],
  [/^routes\[0\]\.match/, "--context-path"],
  [/^routes\[0\]\.rewrite/, "--host"],
  [/^routes\[0\]\.cache/, "--cache"],
  [/^routes\[0\]\.limits/, "--max-requests-per-minute"],
];

const FLAGS: ProblemLocator = {
  folder: ".",
  locate({ path, message, expected, suggestion }: Finding): ConfigProblem {
    const text = formatPath(path);
    const flag = FLAG_BY_PATH.find(([pattern]) => pattern.test(text))?.[1] ?? "command line";
    return {
      ...{ file: flag, line: 0, column: 0, path: "", message },
      ...(expected === undefined ? {} : { expected }),
      ...(suggestion === undefined ? {} : { suggestion }),
    };
  },
};
