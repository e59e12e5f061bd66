import type * as z from "zod";
import type { MirrorSettings } from "../../filters/settings.ts";
import { durationFrom, share, size } from "./units.ts";
import { addressesIn, upstreamReference } from "./upstream-reference.ts";
import { integer, oneOf, section } from "./values.ts";

const MOST_PENDING = 100_000;

const settings = section(
  "Mirror",
  "A copy of requests that goes to another upstream. Nobody sees its answers, and what goes wrong with it never touches the request.",
  {
    upstream: upstreamReference.describe(
      "Where the copy goes: the name of an upstream, the address of a server, or a list of addresses.",
    ),
    share: share.prefault("100%").describe("Of the requests, the share that is copied."),
    max_pending: integer(1, MOST_PENDING)
      .default(100)
      .describe("Copies under way at once, in each thread; more aren't sent."),
    max_buffered: size(0)
      .prefault("1MB")
      .describe("Bytes of a body that may wait for the other server; with more the copy is given up."),
    timeout: durationFrom(1).prefault("30s").describe("How long a copy may take as a whole."),
  },
).transform(({ upstream, share: part, max_pending, max_buffered, timeout }): MirrorSettings => {
  return { upstream, share: part, mostPending: max_pending, mostBuffered: max_buffered, timeout };
});

/** A copy of requests; an upstream alone gets one of each. */
export const mirror: z.ZodType<MirrorSettings> = oneOf("an upstream, or a map with upstream and share", [
  upstreamReference.transform((upstream) => settings.parse({ upstream: addressesIn(upstream) })),
  settings,
]);
