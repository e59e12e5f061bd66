import { type ConfigProblem, formatPath } from "./config-error.ts";
import type { Snapshot } from "./snapshot.ts";
import type { Finding, ProblemLocator } from "./source-document.ts";
import { toSnapshot } from "./to-snapshot.ts";

/** A proxy from flags alone. */
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
}

/**
 * The configuration that flags stand for. It is written down as a document first, so that flags and files are checked
 * alike.
 * @throws ConfigError that names flags
 */
export function snapshotFromFlags(flags: ProxyFlags): Snapshot {
  const { bind, upstream, contextPath, host, threads = null } = flags;
  const document = {
    threads: threads ?? "auto",
    listeners: bind.map((address) => ({ bind: address })),
    routes: [
      {
        upstream: "servers",
        ...(contextPath === null || contextPath === "/"
          ? {}
          : { match: { path: { prefix: contextPath.replace(/(?<=.)\/$/, "") } } }),
        ...(host === null ? {} : { rewrite: { host } }),
      },
    ],
    upstreams: { servers: [...upstream] },
  };
  return toSnapshot(document, FLAGS);
}

const FLAG_BY_PATH: readonly (readonly [prefix: string, flag: string])[] = [
  ["threads", "--threads"],
  ["listeners", "--bind"],
  ["upstreams", "--upstream"],
  ["routes[0].match", "--context-path"],
  ["routes[0].rewrite", "--host"],
];

const FLAGS: ProblemLocator = {
  folder: ".",
  locate({ path, message, expected }: Finding): ConfigProblem {
    const text = formatPath(path);
    const flag = FLAG_BY_PATH.find(([prefix]) => text.startsWith(prefix))?.[1] ?? "command line";
    const problem = { file: flag, line: 0, column: 0, path: "", message };
    return expected === undefined ? problem : { ...problem, expected };
  },
};
