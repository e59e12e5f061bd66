import type * as z from "zod";
import type { CacheDiskSettings, CacheStores } from "../../cache/cache-settings.ts";
import { share, size } from "./units.ts";
import { filePath, type IssueParams, integer, off, oneOf, section } from "./values.ts";

const MEBIBYTE = 1024 * 1024;
/** Every thread has tables of its own in there. */
const LEAST_MEMORY = MEBIBYTE;
const MOST_MEMORY = 64 * 1024 * MEBIBYTE;
/** The folders alone take a megabyte. */
const LEAST_DISK = 16 * MEBIBYTE;
const LEAST_ENTRY = 4096;
const LEAST_ENTRIES = 1024;
const MOST_ENTRIES = 100_000_000;
/** The share that one entry may have of all. */
const ENTRY_SHARE = 1 / 8;
const MOST_ENTRY_SHARE = 1 / 2;
const HOST_SHARE = 1 / 2;

export const memorySize: z.ZodType<number> = size(LEAST_MEMORY, MOST_MEMORY);
const entrySize: z.ZodType<number> = size(LEAST_ENTRY);

const disk: z.ZodType<CacheDiskSettings> = section(
  "CacheDisk",
  "A folder that a cache keeps responses in, which outlive the process.",
  {
    path: filePath().describe(
      "The folder, which is this cache's alone. It is made if the one above it is there, and belongs to whom the process runs as.",
    ),
    size: size(LEAST_DISK).describe("All that it takes on the disk."),
    largest_entry: entrySize
      .optional()
      .describe("The largest response that is kept, head and body. Default: an eighth of `size`."),
    entries: integer(LEAST_ENTRIES, MOST_ENTRIES)
      .optional()
      .describe(
        "Responses that there is room for at the most; each takes some 90 bytes of memory. Default: one for each 16 KiB of `size`, at most 4,000,000.",
      ),
  },
).transform(({ path, size: mostBytes, largest_entry: given, entries: mostEntries = null }, context) => {
  const mostEntryBytes = boundOf(given, mostBytes, "disk", context);
  return { path, mostBytes, mostEntryBytes, mostEntries };
});

interface StoresDocument {
  readonly memory: number | null;
  readonly largest_entry?: number | undefined;
  readonly host_share?: number | undefined;
  readonly disk?: CacheDiskSettings | undefined;
}

/** Where a cache keeps its responses. */
export const storeKeys: {
  readonly memory: z.ZodType<number | null>;
  readonly largest_entry: z.ZodType<number | undefined>;
  readonly host_share: z.ZodType<number | undefined>;
  readonly disk: z.ZodType<CacheDiskSettings | undefined>;
} = {
  memory: oneOf("a size like 256MiB, or off", [off(), memorySize])
    .prefault("64m")
    .describe(
      "All the memory that it takes. What nothing was ever put into isn't touched. `off`: responses are on disk alone.",
    ),
  largest_entry: entrySize
    .optional()
    .describe("The largest response that is kept there, head and body. Default: an eighth of `memory`."),
  host_share: share
    .optional()
    .describe(
      "The share of `memory` from which on responses of one host push out no others but their own. Default: `50%`.",
    ),
  disk: disk
    .optional()
    .describe("Keeps responses on disk besides: more of them, longer ones, and beyond restarts."),
};

type Context = Pick<z.core.$RefinementCtx<unknown>, "issues">;

/** Says what is wrong by issues. */
export function toStores(document: StoresDocument, context: Context): CacheStores {
  const { memory: mostBytes, largest_entry: given, host_share: hostShare, disk: onDisk = null } = document;
  if (mostBytes !== null) {
    const mostEntryBytes = boundOf(given, mostBytes, "memory", context);
    return { memory: { mostBytes, mostEntryBytes, hostShare: hostShare ?? HOST_SHARE }, disk: onDisk };
  }
  if (given !== undefined) report(context, "largest_entry", given, NO_MEMORY, "largest_entry in disk");
  if (hostShare !== undefined) report(context, "host_share", hostShare, NO_MEMORY_SHARE, "memory");
  if (onDisk === null)
    report(context, "memory", mostBytes, "without memory it needs a disk", "a size, or disk");
  return { memory: null, disk: onDisk };
}

const NO_MEMORY_SHARE = "this is a share of the memory, and there is none";
const NO_MEMORY = "this is the largest in memory, and there is none";

/** Bytes of the largest entry. */
function boundOf(given: number | undefined, mostBytes: number, what: string, context: Context): number {
  const bound = given ?? Math.floor(mostBytes * ENTRY_SHARE);
  if (bound > mostBytes * MOST_ENTRY_SHARE)
    report(
      context,
      "largest_entry",
      given,
      `the largest entry takes more than half of the ${what}`,
      "less of it",
    );
  return bound;
}

function report({ issues }: Context, key: string, input: unknown, reason: string, message: string): void {
  const params: IssueParams = { reason };
  issues.push({ code: "custom", input, path: [key], message, params });
}
