import * as z from "zod";
import type { Match, PathPattern, ValueTest } from "../../filters/settings.ts";
import { isToken } from "../../http/characters.ts";
import { hostPattern, ipRange } from "./addresses.ts";
import { headerName } from "./fields.ts";
import { parseRulePath, regexText, rulePath } from "./paths.ts";
import { flag, list, oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

const SHORT_PATH_EXPECTED = "a path like /up, or like /api/* for everything below";

/** `/up` is that path alone, `/api/*` everything below `/api/`, `*` every path. */
const shortPath: z.ZodType<PathPattern> = parsedBy(
  text(SHORT_PATH_EXPECTED),
  SHORT_PATH_EXPECTED,
  (short) => {
    if (short === "*") return { kind: "prefix", path: "/" };
    if (short.endsWith("/*")) return { kind: "prefix", path: parseRulePath(short.slice(0, -1)) };
    return { kind: "exact", path: parseRulePath(short) };
  },
);

const pathSection = section("PathMatch", "Alternatives that a path may be matched by.", {
  exact: oneOrMore(rulePath, "a path").optional().describe("This path alone."),
  prefix: oneOrMore(rulePath, "a path")
    .optional()
    .describe("This path and everything below it: `/api` takes `/api` and `/api/x`, not `/apis`."),
  regex: oneOrMore(regexText, "a regular expression")
    .optional()
    .describe("Looked for anywhere in the decoded path: anchor it with `^` and `$`."),
}).transform(({ exact = [], prefix = [], regex = [] }, context): PathPattern[] => {
  const patterns: PathPattern[] = [
    ...exact.map((path) => ({ kind: "exact", path }) as const),
    ...prefix.map((path) => ({ kind: "prefix", path }) as const),
    ...regex.map((pattern) => ({ kind: "regex", pattern }) as const),
  ];
  if (patterns.length === 0) refuseEmpty(context, "exact, prefix or regex");
  return patterns;
});

const PATHS_EXPECTED = "a path, a map with exact, prefix or regex, or a list of them";
const onePath = oneOf(PATHS_EXPECTED, [shortPath.transform((pattern) => [pattern]), pathSection]);
const paths: z.ZodType<readonly PathPattern[]> = oneOf(PATHS_EXPECTED, [
  onePath,
  list(onePath, PATHS_EXPECTED).transform((all) => all.flat()),
]);

const TEST_EXPECTED = "a value, true (present), false (absent), or a map with equals or regex";

const testSection = section("ValueTest", "What a value has to be.", {
  equals: oneOf("a text or a number", [z.string({ error: "a text" }), z.number({ error: "a number" })])
    .optional()
    .describe("This value."),
  regex: regexText
    .optional()
    .describe("A value in which this regular expression is found: anchor it with `^` and `$`."),
}).transform(({ equals, regex }, context): ValueTest => {
  if (equals !== undefined && regex === undefined) return { kind: "equals", value: String(equals) };
  if (equals === undefined && regex !== undefined) return { kind: "regex", pattern: regex };
  refuseEmpty(context, "equals or regex, one of them");
  return z.NEVER;
});

const valueTest: z.ZodType<ValueTest> = oneOf(TEST_EXPECTED, [
  flag().transform((wanted): ValueTest => ({ kind: wanted ? "present" : "absent" })),
  z.string({ error: TEST_EXPECTED }).transform((value): ValueTest => ({ kind: "equals", value })),
  z
    .number({ error: TEST_EXPECTED })
    .transform((value): ValueTest => ({ kind: "equals", value: String(value) })),
  testSection,
]);

function testMap(kind: "header" | "query", name: z.ZodType<string, string>): z.ZodType<readonly Match[]> {
  return z
    .record(name, valueTest, { error: "a map of names to what their values have to be" })
    .transform((tests) => Object.entries(tests).map(([key, test]): Match => ({ kind, name: key, test })));
}

const METHOD_EXPECTED = "a method, like GET";

/** A method, in upper case. */
export const method: z.ZodType<string> = parsedBy(text(METHOD_EXPECTED), METHOD_EXPECTED, (name) => {
  return isToken(name) ? name.toUpperCase() : undefined;
});

const MATCH_EXPECTED = "a path, a map of conditions, or a list of alternatives";
const nested: z.ZodType<Match> = z.lazy(() => match);
const parameterName: z.ZodType<string, string> = text("the name of a query parameter");

const matchSection = section("Conditions", "Conditions that must all hold.", {
  host: oneOrMore(hostPattern, "a host")
    .optional()
    .describe(
      "The host asked for, without port and case. `*` stands for one or more characters: `*.example.com`.",
    ),
  path: paths
    .optional()
    .describe(
      "The path, decoded: `/up` alone, `/api/*` for everything below, or a map with `exact`, `prefix` or `regex`.",
    ),
  method: oneOrMore(method, METHOD_EXPECTED).optional().describe("The method."),
  header: testMap("header", headerName)
    .optional()
    .describe(
      "Header fields: a value that one of them has, `true` if it has to be there, `false` if not, or `regex`.",
    ),
  query: testMap("query", parameterName)
    .optional()
    .describe("Query parameters, decoded; the same forms as for `header`."),
  websocket: flag().optional().describe("Whether the client asks to change to WebSocket."),
  client: oneOrMore(ipRange, "an address or a CIDR range")
    .optional()
    .describe("Where the client is. Behind `forwarded.trusted_proxies` it is the address that they report."),
  client_certificate: valueTest
    .optional()
    .describe(
      "The certificate that the client has shown by TLS: `true` if there has to be one, `false` if not, or what one of its names has to be, which are its common name and those of hosts and URIs; the same forms as for `header`.",
    ),
  and: list(nested, "a list of matches").optional().describe("All of these hold."),
  or: list(nested, "a list of matches").optional().describe("At least one of these holds."),
  not: nested.optional().describe("This doesn't hold."),
}).transform((conditions, context): Match => {
  const {
    host,
    path,
    method: methods,
    header = [],
    query = [],
    websocket,
    client,
    client_certificate: certificate,
    and = [],
    or,
    not,
  } = conditions;
  const all: Match[] = [];
  if (methods !== undefined) all.push({ kind: "method", methods });
  if (websocket !== undefined) all.push({ kind: "websocket", wanted: websocket });
  if (host !== undefined) all.push({ kind: "host", hosts: host });
  if (path !== undefined) all.push({ kind: "path", paths: path });
  if (client !== undefined) all.push({ kind: "client", ranges: client });
  if (certificate !== undefined) all.push({ kind: "clientCertificate", test: certificate });
  all.push(...header, ...query, ...and);
  if (or !== undefined) all.push({ kind: "any", of: or });
  if (not !== undefined) all.push({ kind: "not", of: not });
  if (all.length === 0)
    refuseEmpty(context, "at least one condition; a route without match takes every request");
  return all.length === 1 ? all[0]! : { kind: "all", of: all };
});

/** Which requests a route takes. A list is of alternatives. */
export const match: z.ZodType<Match> = oneOf(MATCH_EXPECTED, [
  shortPath.transform((pattern): Match => ({ kind: "path", paths: [pattern] })),
  list(nested, "a list of matches").transform(
    (of): Match => (of.length === 1 ? of[0]! : { kind: "any", of }),
  ),
  matchSection,
]).meta({
  id: "Match",
  description: "A path, a map of conditions that must all hold, or a list of alternatives.",
});

function refuseEmpty(context: z.core.$RefinementCtx<unknown>, expected: string): void {
  context.issues.push({ code: "custom", input: context.value, message: expected });
}
