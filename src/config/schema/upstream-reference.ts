import type * as z from "zod";
import { looksLikeAddress, parseServerAddress } from "./addresses.ts";
import { integer, list, oneOf, parsedBy, text } from "./values.ts";

const UPSTREAM_EXPECTED = "the name of an upstream, the address of a server, or a list of addresses";

const upstreamWord: z.ZodType<string> = parsedBy(
  oneOf(UPSTREAM_EXPECTED, [integer(1, 65_535), text(UPSTREAM_EXPECTED)]),
  UPSTREAM_EXPECTED,
  (word) => (looksLikeAddress(String(word)) ? parseServerAddress(word) : String(word)),
);

/** An upstream as the key of a map. */
export const upstreamKey: z.ZodType<string, string> = parsedBy(
  text(UPSTREAM_EXPECTED),
  UPSTREAM_EXPECTED,
  (word) => (looksLikeAddress(word) ? parseServerAddress(word) : word),
) as z.ZodType<string, string>;

const SEPARATOR = ", ";

/** An upstream by its name. One that is written down in place is named by its addresses. */
export const upstreamReference: z.ZodType<string> = oneOf(UPSTREAM_EXPECTED, [
  upstreamWord,
  list(upstreamWord, "a list of addresses").transform((words) => words.join(SEPARATOR)),
]);

/** The addresses of an upstream that was written down in place. */
export function addressesIn(reference: string): readonly string[] {
  return reference.split(SEPARATOR);
}
