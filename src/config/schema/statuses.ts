import type * as z from "zod";
import type { StatusRange } from "../../upstream/group-settings.ts";
import { integer, oneOf, oneOrMore, parsedBy, text } from "./values.ts";

const LEAST = 100;
const MOST = 599;

const STATUS_EXPECTED = "a status like 503, a range like 500-504, or a class like 5xx";

/** Statuses as they are written; undefined for what isn't one. @throws RangeError */
export function parseStatuses(value: number | string): StatusRange | undefined {
  const word = String(value);
  const [, hundreds] = /^([1-5])xx$/i.exec(word) ?? [];
  if (hundreds !== undefined) return { first: Number(hundreds) * 100, last: Number(hundreds) * 100 + 99 };
  const [, from, to = from] = /^(\d{3})(?: ?- ?(\d{3}))?$/.exec(word) ?? [];
  if (from === undefined) return undefined;
  const range = { first: Number(from), last: Number(to) };
  if (range.first < LEAST || range.last > MOST) throw new RangeError(`statuses go from ${LEAST} to ${MOST}`);
  if (range.first > range.last) throw new RangeError(`${word} ends before it begins`);
  return range;
}

const statuses: z.ZodType<StatusRange> = parsedBy(
  oneOf(STATUS_EXPECTED, [integer(LEAST, MOST), text(STATUS_EXPECTED)]).meta({
    id: "Statuses",
    description: "`503`, `500-504`, or `5xx` for a whole class.",
  }),
  STATUS_EXPECTED,
  parseStatuses,
);

/** Statuses of responses: one range or several. */
export const statusRanges: z.ZodType<readonly StatusRange[]> = oneOrMore(statuses, STATUS_EXPECTED);
