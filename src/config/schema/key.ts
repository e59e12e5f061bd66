import type * as z from "zod";
import type { KeyPart } from "../../filters/settings.ts";
import { isToken } from "../../http/characters.ts";
import { refuse } from "../scenario-toxic.ts";
import { headerName } from "./fields.ts";
import { choice, integer, oneOf, oneOrMore, section, text } from "./values.ts";

/** What a provider gives to one customer at least: with longer prefixes a single client has any number of keys. */
const V6_PREFIX = 64;

const KEY_EXPECTED = "client, path, host, method, or a map with header, cookie, query or client";
const COOKIE_EXPECTED = "the name of a cookie";

export const cookieName: z.ZodType<string, string> = text(COOKIE_EXPECTED).refine(isToken, {
  error: COOKIE_EXPECTED,
});

const word = choice(["client", "path", "host", "method"]).transform(
  (kind): KeyPart => (kind === "client" ? { kind, v6Prefix: V6_PREFIX } : { kind }),
);

const client = section("ClientKey", "Clients by their addresses.", {
  v6_prefix: integer(1, 128)
    .default(V6_PREFIX)
    .describe("IPv6 addresses that have so many bits in common are one client."),
}).transform(({ v6_prefix }): KeyPart => ({ kind: "client", v6Prefix: v6_prefix }));

const named = section("Key", "What requests have in common that belong together: one of these.", {
  header: headerName.optional().describe("The value of this header field."),
  cookie: cookieName.optional().describe("The value of this cookie."),
  query: text("the name of a query parameter").optional().describe("The value of this query parameter."),
  client: client.optional().describe("The client's address."),
}).transform((document, context): KeyPart => {
  const parts = (["header", "cookie", "query"] as const).flatMap((kind): KeyPart[] => {
    const name = document[kind];
    return name === undefined ? [] : [{ kind, name }];
  });
  if (document.client !== undefined) parts.push(document.client);
  if (parts.length !== 1)
    refuse(context, [], "one of header, cookie, query, client; several as a list of maps", {
      reason: parts.length === 0 ? "this key names nothing" : "this key names several things",
    });
  return parts[0] ?? CLIENT_KEY;
});

/** Clients are told apart by this when nothing else is said. */
export const CLIENT_KEY: KeyPart = { kind: "client", v6Prefix: V6_PREFIX };

/** What requests belong together by: one thing, or several that are joined. */
export const keyParts: z.ZodType<readonly KeyPart[]> = oneOrMore(
  oneOf(KEY_EXPECTED, [word, named]) as z.ZodType<KeyPart>,
  KEY_EXPECTED,
);
