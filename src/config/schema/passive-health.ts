import type * as z from "zod";
import type { OutlierSettings } from "../../upstream/group-settings.ts";
import { refuse } from "../scenario-toxic.ts";
import { statusRanges } from "./statuses.ts";
import { duration, durationFrom, share } from "./units.ts";
import { integer, off, oneOf, section } from "./values.ts";

const MOST = 2 ** 31 - 1;
const LEAST_TIME = 10;

const settings = section(
  "PassiveHealth",
  "How servers are taken out for a while that fail requests: by connections that fail, are reset or time out, and by `statuses`.",
  {
    consecutive_failures: integer(0, MOST)
      .default(5)
      .describe("Failures in a row that take a server out. 0: not looked at."),
    statuses: statusRanges
      .optional()
      .describe("Responses that are failures too: `5xx`, `[500, 502-504]`. Default: none."),
    failure_ratio: share
      .prefault(0)
      .describe("The share of failures within `window` that takes a server out. 0: not looked at."),
    window: durationFrom(LEAST_TIME).prefault("10s").describe("The time that `failure_ratio` is taken over."),
    minimum_requests: integer(1, MOST)
      .default(20)
      .describe("Requests within `window` below which the ratio says nothing."),
    ejection: durationFrom(LEAST_TIME)
      .prefault("10s")
      .describe("How long a server is out the first time; n times as long the n-th time in a row."),
    max_ejection: duration.prefault("5m").describe("The longest that it is out."),
    max_ejected: share
      .prefault("50%")
      .describe(
        "The share of the servers that may be out like this at once. Of two or more one always may, the last one never.",
      ),
  },
).transform((document, context): OutlierSettings => {
  const { consecutive_failures: consecutive, failure_ratio: ratio, statuses = [] } = document;
  const { window, minimum_requests: minimumRequests, ejection, max_ejection, max_ejected } = document;
  if (consecutive === 0 && ratio === 0)
    refuse(context, [], "off, or consecutive_failures or failure_ratio above 0", {
      reason: "nothing would ever take a server out",
    });
  return {
    ...{ consecutive, statuses, ratio, window, minimumRequests, ejection },
    longestEjection: Math.max(max_ejection, ejection),
    mostEjected: max_ejected,
  };
});

/** Whether what servers do with requests has consequences, and which. */
export const passiveHealth: z.ZodType<OutlierSettings | null> = oneOf("off, or a map", [off(), settings]);
