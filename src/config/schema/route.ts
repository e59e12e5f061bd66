// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are the placeholders of targets
import * as z from "zod";
import { parseTarget } from "../../filters/redirect.ts";
import type {
  Action,
  MirrorSettings,
  RequestChanges,
  RouteSettings,
  SplitTarget,
} from "../../filters/settings.ts";
import { type CacheKeysDraft, cacheKeys } from "./cache.ts";
import { type CodingDraft, codingKeys } from "./coding.ts";
import { type FaultDraft, fault, finalStatus } from "./fault.ts";
import { headerChanges, headerFields } from "./fields.ts";
import { filterReferences } from "./filter.ts";
import { type LimitReference, limitReferences } from "./limit.ts";
import { match } from "./match.ts";
import { mirror } from "./mirror.ts";
import { pluginReferences } from "./plugin.ts";
import { type Rewrite, rewrite } from "./rewrite.ts";
import { split } from "./split.ts";
import { duration } from "./units.ts";
import { upstreamReference } from "./upstream-reference.ts";
import { list, oneOf, parsedBy, section, text } from "./values.ts";

const TARGET_EXPECTED =
  "a URL or a path, with ${scheme}, ${host}, ${path} and ${query} for what was asked for";

const target: z.ZodType<string> = parsedBy(text(TARGET_EXPECTED), TARGET_EXPECTED, (url) => {
  const parts = parseTarget(url);
  const isUrl = /^(?:https?:\/\/|\/|\$\{(?:scheme|path)\})/.test(url);
  if (!isUrl) throw new RangeError(`${JSON.stringify(url)} is neither a URL nor a path`);
  return parts.map((part) => ("text" in part ? encodeUrl(part.text) : `\${${part.placeholder}}`)).join("");
});

/** What may not stand in a URL is escaped; escapes that are there stay. */
function encodeUrl(url: string): string {
  return encodeURI(url.toWellFormed()).replaceAll("%25", "%").replaceAll("%5B", "[").replaceAll("%5D", "]");
}

export type RedirectAction = Action & { readonly kind: "redirect" };
export type RespondAction = Action & { readonly kind: "respond" };

const REDIRECT_STATUSES = [301, 302, 303, 307, 308] as const;

/** A redirect; a text is its target. */
const redirect: z.ZodType<RedirectAction> = oneOf(`${TARGET_EXPECTED}, or a map`, [
  target.transform((url): RedirectAction => ({ kind: "redirect", status: 302, target: url })),
  section("Redirect", "A redirect to another address.", {
    target: target.describe(
      "Where to: a URL or a path. `${scheme}`, `${host}`, `${path}` and `${query}` are those of the request; the `?` before `${query}` goes when there is none.",
    ),
    status: z
      .literal(REDIRECT_STATUSES, { error: `one of ${REDIRECT_STATUSES.join(", ")}` })
      .default(302)
      .describe("301 and 308 are permanent; 307 and 308 keep the method."),
  }).transform((document): RedirectAction => ({ kind: "redirect", ...document })),
]);

/** A response made here; a number is its status, a text its body. */
const respond: z.ZodType<RespondAction> = oneOf("a status, a text, or a map with status, headers and body", [
  finalStatus.transform((status): RespondAction => ({ kind: "respond", status, headers: [], body: null })),
  z
    .string({ error: "a text" })
    .transform((body): RespondAction => ({ kind: "respond", status: 200, headers: [], body })),
  section("Respond", "A fixed response.", {
    status: finalStatus.default(200).describe("The status."),
    headers: headerFields
      .optional()
      .describe("Header fields. Without a `Content-Type` the body is plain text."),
    body: z.string({ error: "a text" }).optional().describe("The body."),
  }).transform(
    ({ status, headers = [], body = null }): RespondAction => ({ kind: "respond", status, headers, body }),
  ),
]);

/** What a route and a listener have in common: what becomes of a request. */
export const actionKeys: {
  readonly upstream: z.ZodType<string | undefined>;
  readonly split: z.ZodType<readonly SplitTarget[] | undefined>;
  readonly mirror: z.ZodType<MirrorSettings | undefined>;
  readonly redirect: z.ZodType<RedirectAction | undefined>;
  readonly respond: z.ZodType<RespondAction | undefined>;
} = {
  upstream: upstreamReference
    .optional()
    .describe("Sends requests to an upstream: its name, the address of a server, or a list of addresses."),
  split: split
    .optional()
    .describe(
      "Spreads requests over several upstreams: a map of upstreams to weights, or a list of targets with `weight` and `match`.",
    ),
  mirror: mirror
    .optional()
    .describe("Sends a copy of requests to another upstream besides, or of a share of them."),
  redirect: redirect.optional().describe("Answers with a redirect: its target, or a map."),
  respond: respond.optional().describe("Answers with a fixed response: its status, its text, or a map."),
};

interface ActionDocument {
  readonly upstream?: string | undefined;
  readonly split?: readonly SplitTarget[] | undefined;
  readonly mirror?: MirrorSettings | undefined;
  readonly redirect?: RedirectAction | undefined;
  readonly respond?: RespondAction | undefined;
}

/** The action of a route or listener; null when it has none. */
export function toAction(document: ActionDocument, request: RequestChanges | null = null): Action | null {
  const {
    split: targets = null,
    mirror: copies = null,
    redirect: redirecting,
    respond: responding,
  } = document;
  const upstream = targets?.[0]?.upstream ?? document.upstream;
  if (upstream !== undefined) return { kind: "upstream", upstream, request, split: targets, mirror: copies };
  return redirecting ?? responding ?? null;
}

/** A route whose name, and those of its faults and limits, may still be open. */
export interface RouteDraft
  extends Omit<RouteSettings, "name" | "faults" | "limits" | keyof CodingDraft | keyof CacheKeysDraft>,
    CodingDraft,
    CacheKeysDraft {
  readonly name: string | null;
  readonly limits: readonly LimitReference[];
  readonly faults: readonly FaultDraft[];
}

/** Faults on the requests of a route. */
export const faults: z.ZodType<readonly FaultDraft[]> = list(fault, "a list of faults");

/** A route: which requests it takes and what becomes of them. */
export const route: z.ZodType<RouteDraft> = section(
  "Route",
  "Which requests are taken and what becomes of them.",
  {
    name: text("a name")
      .optional()
      .describe("What the route is called in logs. Default: its place, as `routes[0]`."),
    match: match.optional().describe("Which requests it takes. Default: every one."),
    ...actionKeys,
    rewrite: rewrite.optional().describe("Changes to path, query and host on the way to the upstream."),
    request_headers: headerChanges
      .optional()
      .describe("Changes to the request's header fields on the way to the upstream."),
    response_headers: headerChanges
      .optional()
      .describe(
        "Changes to the response's header fields on the way to the client, also to those of `redirect` and `respond`.",
      ),
    limits: limitReferences
      .optional()
      .describe(
        "How many requests are let in: a rate like `5/m` for each client, a map, the name of one of the document's `limits`, or a list of such. In order; the first that is exceeded answers.",
      ),
    ...codingKeys,
    ...cacheKeys,
    grpc_timeout: duration
      .prefault(0)
      .describe(
        "The longest that its gRPC calls may take, whatever time their clients give them. Servers are told. 0: no limit of its own.",
      ),
    plugins: pluginReferences
      .optional()
      .describe(
        "Plugins that its requests and the responses of servers go through, the first of them next to the client. Bodies go through without `Content-Length`.",
      ),
    filters: filterReferences
      .optional()
      .describe(
        "Filters that its requests and their responses go through, the first of them next to the client, behind those of the listener.",
      ),
    faults: faults.optional().describe("Faults on its requests. Those that strike one act on it together."),
  },
).transform((document): RouteDraft => {
  const { name = null, match: matched = null, request_headers = null, response_headers = null } = document;
  const { faults: laid = [], limits = [], plugins = [], filters = [] } = document;
  const action = toAction(document, toRequestChanges(document.rewrite ?? null, request_headers));
  // Without an action it is refused elsewhere; until then it answers nothing.
  return {
    name,
    match: matched,
    action: action ?? NOTHING,
    response: response_headers,
    faults: laid,
    limits,
    plugins,
    filters,
    compress: document.compress,
    decompress: document.decompress,
    cache: document.cache,
    grpcTimeout: document.grpc_timeout,
  };
});

const NOTHING: Action = { kind: "respond", status: 404, headers: [], body: null };

function toRequestChanges(
  changes: Rewrite | null,
  headers: RequestChanges["headers"],
): RequestChanges | null {
  const { path, query, host } = changes ?? { path: [], query: null, host: null };
  if (path.length === 0 && query === null && host === null && headers === null) return null;
  return { path, query, host, headers };
}
