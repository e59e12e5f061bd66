import { isIP } from "node:net";
import * as z from "zod";
import type { HealthCheckSettings } from "../../upstream/group-settings.ts";
import type { PeerTlsOptions } from "../../upstream/peer-tls.ts";
import { refuse } from "../scenario-toxic.ts";
import { probeFields } from "./fields.ts";
import { method } from "./match.ts";
import { probePath, regexText } from "./paths.ts";
import { statusRanges } from "./statuses.ts";
import { durationFrom, share } from "./units.ts";
import { choice, flag, integer, list, oneOf, section, text } from "./values.ts";

const LEAST_INTERVAL = 10;
const TIMEOUT = 2_000;
const MOST_IN_A_ROW = 1_000;

const DEFAULT_EXPECT = [{ first: 200, last: 399 }];

const yes = z.literal(true, { error: "true" });

const probeTls = section("ProbeTls", "How TLS is spoken by a health check.", {
  server_name: text("a name")
    .optional()
    .describe("The name asked for and checked. Default: the server's host."),
  verify: flag().default(true).describe("Whether the certificate has to be good."),
  ca: text("a path")
    .optional()
    .describe(
      "A file with the certificates to trust, PEM; relative to this file's folder. Default: the system's.",
    ),
}).transform(({ server_name: name, verify, ca }): PeerTlsOptions => {
  return {
    ...(name === undefined ? {} : toNames(name)),
    ...(verify ? {} : { verifyCertificate: false }),
    ...(ca === undefined ? {} : { ca }),
  };
});

/** An address is no name to ask for (RFC 6066 §3), but one that a certificate may be for. */
function toNames(name: string): PeerTlsOptions {
  return isIP(name) === 0 ? { sni: name } : { sni: "", alternativeName: name };
}

/** A check as it is written down. */
export interface HealthCheckDraft {
  readonly settings: HealthCheckSettings;
  /** Whether it has TLS as connections to the upstream's servers have, where they have it. */
  readonly takesTls: boolean;
}

const keys = {
  http: probePath
    .optional()
    .describe(
      "Asks for this path, and the response has to have a status of `expect`. With `tls` over HTTPS.",
    ),
  tcp: yes.optional().describe("A connection has to be made."),
  grpc: oneOf("true, or the name of a service", [yes, text("the name of a service")])
    .optional()
    .describe(
      "Asks the standard health service of gRPC, for the server as a whole or for a service by its name.",
    ),
  tls: oneOf("true, false, or a map with server_name, verify and ca", [flag(), probeTls])
    .optional()
    .describe(
      "Speaks TLS. Alone: a handshake has to succeed. Default for `http` and `grpc`: as the upstream does. `true`: by the upstream's settings, where it has any.",
    ),
  interval: durationFrom(LEAST_INTERVAL)
    .prefault("10s")
    .describe("Between two checks of a server. The first one waits as long."),
  jitter: share.prefault("10%").describe("By what share of the interval a check comes earlier or later."),
  timeout: durationFrom(1)
    .optional()
    .describe("How long a check may take. Default: 2s, or `interval` if that is shorter."),
  rise: integer(1, MOST_IN_A_ROW).default(1).describe("Successes in a row that bring a server back."),
  fall: integer(1, MOST_IN_A_ROW).default(1).describe("Failures in a row that take a server out."),
  port: integer(1, 65_535).optional().describe("The port to check. Default: the server's own."),
  method: method.optional().describe("The method of `http`. Default: `GET`."),
  headers: probeFields
    .optional()
    .describe("Header fields of `http`; `Host` may be one of them. Default: the server's address as `Host`."),
  expect: statusRanges
    .optional()
    .describe("The statuses of a server that is well, for `http`. Default: `200-399`."),
  body: regexText
    .optional()
    .describe(
      "A regular expression that has to be found in the first 64 KiB of the response's body, for `http`.",
    ),
};

type CheckDocument = z.output<z.ZodObject<typeof keys>>;
type Times = Omit<HealthCheckSettings & { kind: "tcp" }, "kind">;

const KINDS = ["http", "tcp", "grpc"] as const;
const HTTP_ONLY = ["method", "headers", "expect", "body"] as const;

const settings = section(
  "HealthCheck",
  "How servers are asked, again and again, whether they are well.",
  keys,
).transform((document, context): HealthCheckDraft => {
  const takesTls = document.tls === undefined || document.tls === true;
  return { settings: toSettings(document, context), takesTls };
});

function toSettings(document: CheckDocument, context: z.core.$RefinementCtx<unknown>): HealthCheckSettings {
  checkKind(document, context);
  const times: Times = {
    interval: document.interval,
    jitter: document.jitter,
    timeout: document.timeout ?? Math.min(TIMEOUT, document.interval),
    rise: document.rise,
    fall: document.fall,
    port: document.port ?? null,
  };
  const tls = toTls(document.tls);
  const { http, grpc } = document;
  if (http !== undefined) return { ...times, ...toHttp(document, http), tls };
  if (grpc !== undefined) return { ...times, kind: "grpc", service: grpc === true ? "" : grpc, tls };
  return tls === null ? { ...times, kind: "tcp" } : { ...times, kind: "tls", tls };
}

function checkKind(document: CheckDocument, context: z.core.$RefinementCtx<unknown>): void {
  const [first, second] = KINDS.filter((key) => document[key] !== undefined);
  if (first === undefined && (document.tls ?? false) === false)
    refuse(context, [], "one of http, tcp, tls, grpc", { reason: "this check asks nothing" });
  if (second !== undefined)
    refuse(context, [second], "one of them", {
      reason: `${first} and ${second} exclude each other`,
      atKey: true,
    });
  if (first === "tcp" && (document.tls ?? false) !== false)
    refuse(context, ["tcp"], "tls alone", { reason: "tcp and tls exclude each other", atKey: true });
  if (first === "http") return;
  for (const key of HTTP_ONLY) {
    if (document[key] === undefined) continue;
    refuse(context, [key], "http: /a/path beside it", { reason: `${key} is only for http`, atKey: true });
  }
}

function toTls(tls: CheckDocument["tls"] = false): PeerTlsOptions | null {
  if (typeof tls === "object") return tls;
  return tls ? {} : null;
}

function toHttp(document: CheckDocument, path: string) {
  const { method: verb = "GET", headers = [], expect = DEFAULT_EXPECT, body = null } = document;
  return { kind: "http", method: verb, path, headers, expect, body } as const;
}

const CHECK_EXPECTED = "a path, tcp, tls, grpc, or a map";

/** A path is asked for by HTTP; a word is a check of that kind. */
const check: z.ZodType<HealthCheckDraft> = oneOf(CHECK_EXPECTED, [
  choice(["tcp", "tls", "grpc"]).transform((kind) => settings.parse({ [kind]: true })),
  probePath.transform((path) => settings.parse({ http: path })),
  settings,
]);

/** How servers are asked whether they are well; of several checks all have to succeed. */
export const healthChecks: z.ZodType<readonly HealthCheckDraft[]> = oneOf(
  `${CHECK_EXPECTED}, or a list of such`,
  [check.transform((one) => [one]), list(check, `a list of checks: ${CHECK_EXPECTED}`)],
);
