import { extname } from "node:path";
import * as z from "zod";
import { entryName, list, oneOf, parsedBy, section, text } from "./values.ts";

/** A filter whose module is named as the document names it. */
export interface FilterDraft {
  readonly module: string;
  readonly config: unknown;
}

const ENDINGS = [".ts", ".mts", ".js", ".mjs"];
const PATH_EXPECTED = `a path of a module that ends in ${ENDINGS.join(", ")}`;

const path: z.ZodType<string> = parsedBy(text(PATH_EXPECTED), PATH_EXPECTED, (file) => {
  if (!ENDINGS.includes(extname(file))) throw new RangeError(`${JSON.stringify(file)} ends otherwise`);
  return file;
});

const settings = section("Filter", "Phases of requests and responses that a module brings.", {
  module: path.describe(
    "The module, from the folder of this document: TypeScript or JavaScript that exports a filter by default (`defineFilter`). A reload loads it again when it or what it imports has changed.",
  ),
  config: z
    .unknown()
    .optional()
    .describe("What the filter is told: anything that its module takes. Default: nothing."),
}).transform(({ module, config }): FilterDraft => ({ module, config }));

/** The filters of a document by their names. */
export const namedFilters: z.ZodType<Readonly<Record<string, FilterDraft>>> = z.record(
  entryName,
  oneOf(`${PATH_EXPECTED}, or a map with module`, [
    path.transform((file): FilterDraft => ({ module: file, config: undefined })),
    settings,
  ]),
  { error: "a map of names to filters" },
);

/** The filters that a listener or a route names. */
export const filterReferences: z.ZodType<readonly string[]> = list(
  text("the name of a filter"),
  "a list of names of filters",
);
