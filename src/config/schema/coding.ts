import type * as z from "zod";
import {
  CODINGS,
  type Coding,
  type CompressSettings,
  DEFAULT_COMPRESS,
  DEFAULT_DECOMPRESS,
  DEFAULT_LEVELS,
  type DecompressSettings,
  LEVEL_BOUNDS,
} from "../../filters/coding/coding-settings.ts";
import { toTypePattern } from "../../filters/coding/content-types.ts";
import { size } from "./units.ts";
import { choice, flag, integer, list, oneOf, oneOrMore, parsedBy, section, text } from "./values.ts";

const CODING_EXPECTED = CODINGS.join(", ");
const TYPE_EXPECTED = "a content type: application/json, text/*, *+json or *";
const KILOBYTE = 1024;

const coding = choice(CODINGS);
const codings: z.ZodType<readonly Coding[]> = list(coding, `a list of ${CODING_EXPECTED}`);
const contentType = parsedBy(text(TYPE_EXPECTED), TYPE_EXPECTED, toTypePattern);

const levels = section("CompressionLevels", "How hard each coding works.", {
  zstd: level("zstd"),
  br: level("br"),
  gzip: level("gzip"),
});

const cachedLevels = section(
  "CachedLevels",
  "How hard each coding works on what is compressed once, to be kept in a cache.",
  { zstd: cachedLevel("zstd"), br: cachedLevel("br"), gzip: cachedLevel("gzip") },
);

function cachedLevel(of: Coding): z.ZodOptional<z.ZodNumber> {
  const [least, most] = LEVEL_BOUNDS[of];
  return integer(least, most).optional().describe(`That of ${of}. Default: as in \`levels\`.`);
}

function level(of: Coding): z.ZodDefault<z.ZodNumber> {
  const [least, most] = LEVEL_BOUNDS[of];
  return integer(least, most).default(DEFAULT_LEVELS[of]).describe(`That of ${of}.`);
}

const compressMap = section("Compress", "How responses are compressed.", {
  codings: oneOrMore(coding, CODING_EXPECTED)
    .default(DEFAULT_COMPRESS.codings)
    .describe("What with: of those that a client likes best, the one that comes first here."),
  levels: levels.optional().describe("How hard each coding works: zstd 1 to 19, br 0 to 11, gzip 1 to 9."),
  cached_levels: cachedLevels
    .default({})
    .describe(
      "The same for what is compressed once, to be kept in a cache: a higher one costs little there.",
    ),
  types: oneOrMore(contentType, TYPE_EXPECTED)
    .default(DEFAULT_COMPRESS.types)
    .describe(
      "Content types that are compressed. Default: text, JSON, XML, scripts, fonts that have no coding of their own.",
    ),
  min_size: size(0)
    .prefault(`${DEFAULT_COMPRESS.minSize / KILOBYTE}k`)
    .describe("Bodies that are known to be shorter stay as they are."),
  cookies: flag()
    .default(DEFAULT_COMPRESS.cookies)
    .describe(
      "Whether responses are compressed whose request has a cookie, or that set one: see BREACH in docs/content-coding.md.",
    ),
}).transform(
  ({
    min_size: minSize,
    levels: given = DEFAULT_LEVELS,
    cached_levels: { zstd, br, gzip },
    ...document
  }): CompressSettings => ({
    ...document,
    levels: given,
    cachedLevels: {
      ...(zstd === undefined ? {} : { zstd }),
      ...(br === undefined ? {} : { br }),
      ...(gzip === undefined ? {} : { gzip }),
    },
    minSize,
  }),
);

/** How responses are compressed; null: they aren't. */
const compress: z.ZodType<CompressSettings | null> = oneOf(
  `true, false, a list of ${CODING_EXPECTED}, or a map`,
  [
    flag().transform((isOn) => (isOn ? DEFAULT_COMPRESS : null)),
    coding.transform((one): CompressSettings => ({ ...DEFAULT_COMPRESS, codings: [one] })),
    codings.transform((several): CompressSettings => ({ ...DEFAULT_COMPRESS, codings: several })),
    compressMap,
  ],
);

const WHEN = ["unaccepted", "always"] as const;

const decompressMap = section("Decompress", "Which responses of servers are decompressed.", {
  when: choice(WHEN)
    .default(DEFAULT_DECOMPRESS.when)
    .describe(
      "`unaccepted`: those whose coding the client doesn't accept. `always`: all, so that filters and plugins see them plain.",
    ),
  max_ratio: integer(2, 1_000_000)
    .default(DEFAULT_DECOMPRESS.maxRatio)
    .describe(
      "How many times as long as it came a body may become, from its first MiB on. What becomes more is broken off.",
    ),
  max_size: size(KILOBYTE)
    .prefault("1g")
    .describe("What a body may become. What becomes more is broken off."),
}).transform(
  ({ when, max_ratio: maxRatio, max_size: maxSize }): DecompressSettings => ({ when, maxRatio, maxSize }),
);

/** Which responses of servers are decompressed; null: none. */
const decompress: z.ZodType<DecompressSettings | null> = oneOf("true, false, always, unaccepted, or a map", [
  flag().transform((isOn) => (isOn ? DEFAULT_DECOMPRESS : null)),
  choice(WHEN).transform((when): DecompressSettings => ({ ...DEFAULT_DECOMPRESS, when })),
  decompressMap,
]);

/** What a listener says for those of its routes that don't say it themselves. */
export interface CodingDraft {
  /** Undefined: nothing is said of it. */
  readonly compress: CompressSettings | null | undefined;
  readonly decompress: DecompressSettings | null | undefined;
}

/** What listeners and routes have in common of it. */
export const codingKeys: {
  readonly compress: z.ZodType<CompressSettings | null | undefined>;
  readonly decompress: z.ZodType<DecompressSettings | null | undefined>;
} = {
  compress: compress
    .optional()
    .describe(
      "Compresses responses for clients that accept it: `true`, codings in the order of preference, or a map. A route goes by its listener unless it says something itself.",
    ),
  decompress: decompress
    .optional()
    .describe(
      "Decompresses responses of servers for clients that don't accept their coding (`true`), or all of them (`always`). A route goes by its listener unless it says something itself.",
    ),
};
