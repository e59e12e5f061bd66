import type * as z from "zod";
import { refuse } from "../scenario-toxic.ts";
import { formatHttpServer, looksLikeAddress, parseHttpServer } from "./addresses.ts";
import { integer, list, oneOf, parsedBy, text } from "./values.ts";

const UPSTREAM_EXPECTED = "the name of an upstream, the address of a server, or a list of addresses";

function toServer(word: number | string): string | undefined {
  const server = parseHttpServer(word);
  return server && formatHttpServer(server);
}

const upstreamWord: z.ZodType<string> = parsedBy(
  oneOf(UPSTREAM_EXPECTED, [integer(1, 65_535), text(UPSTREAM_EXPECTED)]),
  UPSTREAM_EXPECTED,
  (word) => (looksLikeAddress(String(word)) ? toServer(word) : String(word)),
);

/** An upstream as the key of a map. */
export const upstreamKey: z.ZodType<string, string> = parsedBy(
  text(UPSTREAM_EXPECTED),
  UPSTREAM_EXPECTED,
  (word) => (looksLikeAddress(word) ? toServer(word) : word),
) as z.ZodType<string, string>;

const SEPARATOR = ", ";

/** An upstream by its name. One that is written down in place is named by its addresses. */
export const upstreamReference: z.ZodType<string> = oneOf(UPSTREAM_EXPECTED, [
  upstreamWord,
  list(upstreamWord, "a list of addresses").transform((words, context) => {
    const secure = words.filter((word) => word.startsWith("https://")).length;
    if (secure > 0 && secure < words.length) refuseMixed(context, []);
    return words.join(SEPARATOR);
  }),
]);

/** TLS is the upstream's, not a server's. */
export function refuseMixed(context: z.core.$RefinementCtx<unknown>, path: readonly string[]): void {
  const reason = "some of these servers are reached by https, and others not";
  refuse(context, path, "https:// before all of them, or none", { reason });
}

/** The addresses of an upstream that was written down in place. */
export function addressesIn(reference: string): readonly string[] {
  return reference.split(SEPARATOR);
}
