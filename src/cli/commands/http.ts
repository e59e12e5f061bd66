import { type Command, Option } from "commander";
import { formatProblem } from "../../config/config-error.ts";
import { type ProxyFlags, snapshotFromFlags } from "../../config/flags.ts";
import { UPSTREAM_PROTOCOLS } from "../../config/schema/upstream.ts";
import { BALANCING_POLICIES } from "../../upstream/group-settings.ts";
import { goToBackground } from "../background.ts";
import { UsageError } from "../errors.ts";
import { collectAddress, seconds, TAKE_OVER, wholeNumber } from "../options.ts";
import {
  addListenerTls,
  type ListenerTlsFlags,
  pairCertificates,
  selfSignedFor,
  setFips,
} from "../tls/options.ts";
import { announceCertificate, type SelfSigned } from "../tls/self-signed.ts";
import { addServerTls, collectServer, type ServerTlsFlags, toServerTls } from "../tls/upstream-options.ts";
import { addSharedFlags, type SharedFlags, serveSnapshot } from "./serve-snapshot.ts";
import { testTls } from "./test-tls.ts";

interface HttpFlags extends SharedFlags, ListenerTlsFlags, ServerTlsFlags {
  bind?: string[];
  ba?: string[];
  upstream?: string[];
  pa?: string[];
  contextPath?: string;
  cp?: string;
  host?: string;
  protocol?: string;
  balance?: string;
  activeHealthCheckInterval?: number;
  activeHealthCheckPath?: string;
  hcFreq?: number;
  maxRequestsPerMinute?: number;
  compress?: boolean;
  cache?: string | true;
  idleTimeout?: number;
  admin?: string;
  test?: boolean;
}

const DEFAULT_TLS_BIND = ":8443";
const CHECK_INTERVAL = 10;
const CHECK_PATH = "/";
const CACHE_SIZE = "64MiB";
const MOST_REQUESTS = 2 ** 31 - 1;

const EXAMPLES = `
Health checks: servers are asked for a path every ten seconds, the first time ten seconds after the start. Every status
from 200 to 499 is a good answer. With --hc-freq a connection is enough, and no path is asked for unless a flag says so.
With --protocol h2c a connection is enough, too.

TLS: with a certificate all addresses serve HTTPS, HTTP/2 and HTTP/1.1. Of several certificates each is used for its
names; their files are read again when they change. Plain HTTP is answered with a redirect to https.

TLS towards servers: https://host, or --tls for all of them. Their certificates must be signed by a well-known authority or
one of --ca, and be for the name of --sni or the host. HTTP/2 or HTTP/1.1 is what a server chooses. Many a server wants
its own name as Host, too: --host.

Examples:
  sluice http --bind :8080 --upstream 127.0.0.1:3000
  sluice http --bind :8080 --upstream 127.0.0.1:3000 --upstream 127.0.0.1:3001 --threads 4
  sluice http --bind :8080 --upstream 127.0.0.1:3000 --context-path /api --host api.example.com
  sluice http -b :8080 -u 10.0.0.1:80 -u 10.0.0.2:80 --balance peak_ewma --active-health-check-path /healthz
  sluice http -b :8080 -u 10.0.0.1:80 -u 10.0.0.2:80 --hc-freq 2 --max-requests-per-minute 600 --admin 8474
  sluice http -b :8080 -u 10.0.0.1:80 --compress --cache 256MiB
  sluice http -b :8080 -u 10.0.0.1:50051 -u 10.0.0.2:50051 --protocol h2c
  sluice http --cert example.pem --key example.key localhost:3000
  sluice http -b :443 --cert a.pem --key a.key --cert b.pem --key b.key -u 10.0.0.1:80
  sluice http --tls-self-signed --name dev.example localhost:3000
  sluice http -b :8080 --host api.example.com https://api.example.com
  sluice http -b :8080 -u 10.0.0.1:8443 -u 10.0.0.2:8443 --tls --sni api.internal --ca ca.pem`;

/** `sluice http`: a proxy and balancer from flags alone. */
export function addHttp(program: Command): void {
  const command = program
    .command("http")
    .description("run an HTTP proxy and balancer from flags alone")
    .argument("[upstreams...]", "as --upstream");
  addAddresses(command);
  addListenerTls(command);
  addServerTls(command);
  addBalancing(command);
  command.option(
    "--admin <address>",
    "the API of sluice status and sluice upstream, for example 127.0.0.1:8474",
  );
  command.option("--test", "test the flags and exit").option("--upgrade", TAKE_OVER);
  addSharedFlags(command).addHelpText("after", EXAMPLES).action(runHttp);
}

function addAddresses(command: Command): void {
  command
    .option(
      "-b, --bind <address>",
      `listen here: host:port, :port, [v6]:port or unix:/path (repeatable; default with a certificate: ${DEFAULT_TLS_BIND})`,
      collectAddress,
    )
    .addOption(new Option("--ba <address>", "as --bind").argParser(collectAddress).hideHelp())
    .option(
      "-u, --upstream <address>",
      "a server to send requests to: host:port, [v6]:port, unix:/path or https://host (repeatable)",
      collectServer,
    )
    .addOption(new Option("--pa <address>", "as --upstream").argParser(collectServer).hideHelp())
    .option("--context-path <path>", "only requests below this path; others get 404")
    .addOption(new Option("--cp <path>", "as --context-path").hideHelp())
    .option("--host <name>", "the Host that servers get, instead of the client's")
    .addOption(
      new Option(
        "--protocol <protocol>",
        "what servers speak; h2c is HTTP/2 without TLS, as for gRPC (default: with TLS what they choose, else http1)",
      ).choices(UPSTREAM_PROTOCOLS),
    );
}

function addBalancing(command: Command): void {
  command
    .addOption(
      new Option("--balance <policy>", "how requests are spread over the servers").choices(
        BALANCING_POLICIES,
      ),
    )
    .option(
      "--active-health-check-interval <seconds>",
      `between two health checks of a server; 0: none (default: ${CHECK_INTERVAL})`,
      seconds,
    )
    .option("--active-health-check-path <path>", `what they ask for (default: ${CHECK_PATH})`)
    .option("--hc-freq <seconds>", "only try to connect to servers, so often; 0: don't", seconds)
    .option(
      "--max-requests-per-minute <n>",
      "more requests from one address get 429 until the minute is over; 0: no limit",
      wholeNumber(MOST_REQUESTS),
    )
    .option("--compress", "compress responses, with zstd, br or gzip, for clients that accept it")
    .option(
      "--cache [size]",
      `answer from a cache in memory what servers allow to be cached (default size: ${CACHE_SIZE})`,
    )
    .option(
      "--idle-timeout <seconds>",
      "close clients' connections after so long between two requests; 0: never",
      seconds,
    );
}

async function runHttp(servers: readonly string[], flags: HttpFlags): Promise<void> {
  if (await goToBackground(flags.daemon === true && flags.test !== true)) return;
  setFips(flags);
  await using selfSigned = await selfSignedFor(flags);
  const snapshot = snapshotFromFlags(toProxyFlags(servers, flags, selfSigned));
  for (const warning of snapshot.warnings) process.stderr.write(`warning: ${formatProblem(warning)}\n`);
  if (flags.test === true) {
    await testTls(snapshot, "the command line");
    process.stdout.write("the flags are good\n");
    return;
  }
  if (selfSigned !== null) announceCertificate(selfSigned, flags.json === true);
  await serveSnapshot(snapshot, flags, null);
}

function toProxyFlags(
  servers: readonly string[],
  flags: HttpFlags,
  selfSigned: SelfSigned | null,
): ProxyFlags {
  const certificates =
    selfSigned === null ? pairCertificates(flags) : [selfSigned].map(({ cert, key }) => ({ cert, key }));
  const given = [...(flags.bind ?? []), ...(flags.ba ?? [])];
  const bind = given.length === 0 && certificates.length > 0 ? [DEFAULT_TLS_BIND] : given;
  const upstream = [...(flags.upstream ?? []), ...(flags.pa ?? []), ...servers];
  if (bind.length === 0)
    throw new UsageError("no address to listen on: give one with --bind, for example --bind :8080");
  if (upstream.length === 0) {
    throw new UsageError(
      "no upstream: give at least one with --upstream, for example --upstream 127.0.0.1:3000",
    );
  }
  const { balance, idleTimeout, admin, protocol, compress = false, cache } = flags;
  return {
    ...{
      bind,
      upstream,
      certificates,
      contextPath: flags.contextPath ?? flags.cp ?? null,
      host: flags.host ?? null,
    },
    httpCheck: toHttpCheck(flags),
    connectInterval: flags.hcFreq ?? (protocol === "h2c" ? CHECK_INTERVAL : 0),
    requestsPerMinute: flags.maxRequestsPerMinute ?? 0,
    ...(balance === undefined ? {} : { balance }),
    ...(protocol === undefined ? {} : { protocol }),
    upstreamTls: toServerTls(flags, upstream),
    compress,
    ...(cache === undefined ? {} : { cache: cache === true ? CACHE_SIZE : cache }),
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(admin === undefined ? {} : { admin }),
  };
}

/** Trying to connect takes the place of asking, unless both are wanted. */
function toHttpCheck(flags: HttpFlags): { interval: number; path: string } {
  const { activeHealthCheckInterval: interval, activeHealthCheckPath: path, hcFreq = 0 } = flags;
  const isWanted = (hcFreq === 0 && flags.protocol !== "h2c") || interval !== undefined || path !== undefined;
  return { interval: isWanted ? (interval ?? CHECK_INTERVAL) : 0, path: path ?? CHECK_PATH };
}
