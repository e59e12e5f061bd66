import * as z from "zod";
import type { HostChange, PathChange } from "../../filters/settings.ts";
import { hostPattern } from "./addresses.ts";
import { queryChanges } from "./fields.ts";
import { addedPrefix, regexText, sentPath, strippedPrefix } from "./paths.ts";
import { oneOf, parsedBy, section, text } from "./values.ts";

const PATH_EXPECTED = "a path, or a map with strip_prefix, add_prefix, or regex and replace";

const pathSection = section(
  "PathRewrite",
  "How the path changes: `set`, or prefixes, or `regex` with `replace`.",
  {
    set: sentPath.optional().describe("The whole path. The query stays."),
    strip_prefix: strippedPrefix.optional().describe("Segments to take off the front, where they are there."),
    add_prefix: addedPrefix.optional().describe("What to put before the path, after `strip_prefix`."),
    regex: regexText.optional().describe("What to replace in the decoded path, wherever it is found."),
    replace: z
      .string({ error: "a text, in which $1 is the first group" })
      .optional()
      .describe("What to put there; `$1` is the first group of `regex`."),
  },
).transform((document, context): readonly PathChange[] => {
  const { set, strip_prefix, add_prefix, regex, replace } = document;
  const prefixes: PathChange[] = [
    ...(strip_prefix === undefined ? [] : [{ kind: "strip_prefix", prefix: strip_prefix } as const]),
    ...(add_prefix === undefined ? [] : [{ kind: "add_prefix", prefix: add_prefix } as const]),
  ];
  const ways: PathChange[][] = prefixes.length > 0 ? [prefixes] : [];
  if (set !== undefined) ways.push([{ kind: "set", path: set }]);
  if (regex !== undefined && replace !== undefined)
    ways.push([{ kind: "replace", pattern: regex, replacement: replace }]);
  const isHalf = (regex === undefined) !== (replace === undefined);
  if (ways.length === 1 && !isHalf) return ways[0]!;
  const message = "one way: set, strip_prefix and add_prefix, or regex with replace";
  context.issues.push({ code: "custom", input: document, message });
  return z.NEVER;
});

const pathRewrite: z.ZodType<readonly PathChange[]> = oneOf(PATH_EXPECTED, [
  sentPath.transform((path): readonly PathChange[] => [{ kind: "set", path }]),
  pathSection,
]);

const HOST_EXPECTED = "preserve, upstream, or a host name with or without port";

/** The words can't be taken for hosts: nobody's server is called `preserve`. */
const hostRewrite: z.ZodType<HostChange | null> = parsedBy(text(HOST_EXPECTED), HOST_EXPECTED, (word) => {
  if (word === "preserve") return null;
  return word === "upstream" ? { kind: "upstream" } : parseHost(word);
});

/** @throws RangeError when it isn't a host with an optional port */
function parseHost(word: string): HostChange {
  const [, name = "", port = ""] = /^(.*?)(:\d{1,5})?$/s.exec(word) ?? [];
  if (name.includes("*") || !hostPattern.safeParse(name).success) {
    throw new RangeError(`${JSON.stringify(word)} is no host name`);
  }
  return { kind: "literal", host: hostPattern.parse(name) + port };
}

export interface Rewrite {
  readonly path: readonly PathChange[];
  readonly query: z.output<typeof queryChanges>;
  readonly host: HostChange | null;
}

/** Changes to a request on its way to the server, but for its header fields. */
export const rewrite: z.ZodType<Rewrite> = section(
  "Rewrite",
  "Changes to the request on its way to the server.",
  {
    path: pathRewrite.optional().describe("The path: a text replaces it, a map changes a part of it."),
    query: queryChanges.optional().describe("The query's parameters."),
    host: hostRewrite
      .optional()
      .describe(
        "The `Host` that the server gets: `preserve` the client's (the default), `upstream` for the server's own address, or a name.",
      ),
  },
).transform(({ path = [], query = null, host = null }) => ({ path, query, host }));
