import * as z from "zod";
import type { DiscoverySettings } from "../../upstream/group-settings.ts";
import { refuse } from "../scenario-toxic.ts";
import { nameAndPort, resolverAddress } from "./addresses.ts";
import { probeFields } from "./fields.ts";
import { durationFrom } from "./units.ts";
import { choice, oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

const SRV_EXPECTED = "the name of SRV records, like _http._tcp.api.internal";
const URL_EXPECTED = "a URL that begins with http:// or https://";
const FAMILY_EXPECTED = "4, 6 or any";

const LEAST_TIME = 10;
const SHORTEST = 1_000;
const LONGEST = 3_600_000;
const INTERVAL = 10_000;
const TIMEOUT = 5_000;

const srvName: z.ZodType<string> = text(SRV_EXPECTED).regex(/^[\w-]+(?:\.[\w-]+)+\.?$/, {
  error: SRV_EXPECTED,
});

const url: z.ZodType<string> = parsedBy(text(URL_EXPECTED), URL_EXPECTED, (value) => {
  return /^https?:$/.test(URL.parse(value)?.protocol ?? "") ? value : undefined;
});

const keys = {
  dns: nameAndPort
    .optional()
    .describe("The A and AAAA records of a name, and the port of all servers: `api.internal:8080`."),
  srv: srvName.optional().describe("SRV records, with host, port, priority and weight of each server."),
  file: text("a path")
    .optional()
    .describe(
      "A YAML or JSON file with a list of servers, read again when it changes. Relative to this file's folder.",
    ),
  http: url.optional().describe("A URL that answers with a JSON list of servers, asked for again and again."),
  resolvers: oneOrMore(resolverAddress, "the address of a name server")
    .optional()
    .describe("The name servers to ask, for `dns` and `srv`. Default: the system's."),
  family: oneOf(FAMILY_EXPECTED, [z.literal([4, 6], { error: FAMILY_EXPECTED }), choice(["any"])])
    .optional()
    .describe("Only IPv4 or only IPv6 addresses, for `dns`. Default: `any`."),
  min_ttl: durationFrom(LEAST_TIME)
    .optional()
    .describe("Records are taken to be good for no less, for `dns` and `srv`. Default: `1s`."),
  max_ttl: durationFrom(LEAST_TIME)
    .optional()
    .describe("Records are taken to be good for no more, for `dns` and `srv`. Default: `1h`."),
  interval: durationFrom(LEAST_TIME).optional().describe("Between two requests, for `http`. Default: `10s`."),
  timeout: durationFrom(1).optional().describe("How long a request may take, for `http`. Default: `5s`."),
  headers: probeFields.optional().describe("Header fields of the requests, for `http`."),
};

type DiscoveryDocument = z.output<z.ZodObject<typeof keys>>;
type Context = z.core.$RefinementCtx<unknown>;

const KINDS = ["dns", "srv", "file", "http"] as const;

/** What each option is for. */
const OPTIONS = {
  resolvers: ["dns", "srv"],
  family: ["dns"],
  min_ttl: ["dns", "srv"],
  max_ttl: ["dns", "srv"],
  interval: ["http"],
  timeout: ["http"],
  headers: ["http"],
} as const satisfies Partial<Record<keyof DiscoveryDocument, readonly (typeof KINDS)[number][]>>;

const settings = section(
  "Discovery",
  "Where servers are found: one of `dns`, `srv`, `file`, `http`.",
  keys,
).transform((document, context): DiscoverySettings => {
  checkKind(document, context);
  const { dns, srv, file, resolvers = null, min_ttl: shortest = SHORTEST } = document;
  const longest = document.max_ttl ?? Math.max(LONGEST, shortest);
  if (longest < shortest)
    refuse(context, ["max_ttl"], "a longer time", { reason: "max_ttl is shorter than min_ttl" });
  if (dns !== undefined)
    return { kind: "dns", ...dns, family: toFamily(document), resolvers, shortest, longest };
  if (srv !== undefined) return { kind: "srv", name: srv, resolvers, shortest, longest };
  if (file !== undefined) return { kind: "file", path: file };
  const { http = "", headers = [], interval = INTERVAL, timeout = Math.min(TIMEOUT, interval) } = document;
  return { kind: "http", url: http, headers, interval, timeout };
});

function toFamily({ family = "any" }: DiscoveryDocument): 0 | 4 | 6 {
  return family === "any" ? 0 : family;
}

function checkKind(document: DiscoveryDocument, context: Context): void {
  const [kind, second] = KINDS.filter((key) => document[key] !== undefined);
  if (kind === undefined) {
    refuse(context, [], `one of ${KINDS.join(", ")}`, { reason: "this discovers nothing" });
    return;
  }
  if (second !== undefined)
    refuse(context, [second], "one of them", {
      reason: `${kind} and ${second} exclude each other`,
      atKey: true,
    });
  for (const [key, kinds] of Object.entries(OPTIONS)) {
    if (document[key as keyof typeof OPTIONS] === undefined || kinds.some((one) => one === kind)) continue;
    const reason = `${key} is only for ${kinds.join(" and ")}`;
    refuse(context, [key], `${kinds.join(" or ")} beside it`, { reason, atKey: true });
  }
}

const DISCOVERY_EXPECTED = "host:port (DNS), _service._tcp.name (SRV), a path, a URL, or a map";

/** Where servers are found; a text tells by its look which way. */
export const discovery: z.ZodType<DiscoverySettings> = oneOf(DISCOVERY_EXPECTED, [
  text(DISCOVERY_EXPECTED).transform((word, context): DiscoverySettings => {
    const parsed = settings.safeParse({ [kindOf(word)]: word });
    if (parsed.success) return parsed.data;
    refuse(context, [], DISCOVERY_EXPECTED);
    return z.NEVER;
  }),
  settings,
]);

function kindOf(word: string): (typeof KINDS)[number] {
  if (/^https?:\/\//.test(word)) return "http";
  if (/^\.{0,2}\//.test(word)) return "file";
  return word.startsWith("_") ? "srv" : "dns";
}
