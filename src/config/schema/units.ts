import * as z from "zod";
import { DURATION, parseDuration, parseRate, parseSize, RATE, SIZE } from "../quantities.ts";
import { oneOf } from "./values.ts";

const RATE_EXPECTED = "a rate: 10KB/s, 64KiB/s, 1.5MB/s, or a number of bytes a second";
const DURATION_EXPECTED = "a duration: 500ms, 30s, 2m, 1h, or a number of seconds";
const SIZE_EXPECTED = "a size: 64k, 10MB, 1g, or a number of bytes";

/** A time in milliseconds. 24 days is the longest a timer can wait. */
export const duration: z.ZodType<number> = oneOf(DURATION_EXPECTED, [
  z.number({ error: DURATION_EXPECTED }).min(0, { error: DURATION_EXPECTED }),
  z.string({ error: DURATION_EXPECTED }).regex(DURATION, { error: DURATION_EXPECTED }),
])
  .meta({ id: "Duration", description: "`500ms`, `30s`, `2m`, `1h`, or a number of seconds." })
  .transform(parseDuration)
  .refine((milliseconds) => milliseconds < 2 ** 31, { error: "at most 24 days" });

/** A time that can't be next to nothing, in milliseconds. */
export function durationFrom(least: number): z.ZodType<number> {
  return duration.refine((milliseconds) => milliseconds >= least, { error: `at least ${least}ms` });
}

const MOST_SECONDS = 10 * 365 * 86_400;

/** How long something is good, in whole seconds, rounded up. Nothing waits for it: it may be longer than a timer's time. */
export const lifetime: z.ZodType<number> = oneOf(DURATION_EXPECTED, [
  z.number({ error: DURATION_EXPECTED }).min(0, { error: DURATION_EXPECTED }),
  z.string({ error: DURATION_EXPECTED }).regex(DURATION, { error: DURATION_EXPECTED }),
])
  .meta({ id: "Lifetime", description: "`30s`, `2m`, `12h`, or a number of seconds; at most ten years." })
  .transform((value) => Math.ceil(parseDuration(value) / 1000))
  .refine((seconds) => seconds <= MOST_SECONDS, { error: "at most ten years" });

/** A size in bytes, between bounds. */
export function size(least: number, most: number = Number.MAX_SAFE_INTEGER): z.ZodType<number> {
  const bounds = most === Number.MAX_SAFE_INTEGER ? `at least ${least} bytes` : `${least} to ${most} bytes`;
  return anySize.refine((bytes) => bytes >= least && bytes <= most, { error: bounds });
}

const anySize = oneOf(SIZE_EXPECTED, [
  z.int({ error: SIZE_EXPECTED }).min(0, { error: SIZE_EXPECTED }),
  z.string({ error: SIZE_EXPECTED }).regex(SIZE, { error: SIZE_EXPECTED }),
])
  .meta({ id: "Size", description: "`64k`, `10MB`, `1g`, or a number of bytes. Units are powers of 1024." })
  .transform(parseSize);

/** Bytes a second, at least 1. */
export const rate: z.ZodType<number> = oneOf(RATE_EXPECTED, [
  z.int({ error: RATE_EXPECTED }).min(0, { error: RATE_EXPECTED }),
  z.string({ error: RATE_EXPECTED }).regex(RATE, { error: RATE_EXPECTED }),
])
  .meta({
    id: "Rate",
    description:
      "`10KB/s`, `64KiB/s`, `1.5MB/s`, or a number of bytes a second. `K` and `M` are thousands and millions, `Ki` and `Mi` powers of 1024.",
  })
  .transform(parseRate)
  .refine((bytes) => bytes >= 1, { error: "at least 1 byte a second" });

const SHARE_EXPECTED = "a share of 100%: 10%, 0.5%, or 0";

/** A share from 0 to 1. Only with its sign: whether 0.5 is half or a two-hundredth nobody should have to guess. */
export const share: z.ZodType<number> = oneOf(SHARE_EXPECTED, [
  z.literal(0, { error: SHARE_EXPECTED }),
  z.string({ error: SHARE_EXPECTED }).regex(/^\d+(?:\.\d+)? ?%$/, { error: SHARE_EXPECTED }),
])
  .meta({ id: "Share", description: "`10%`, `0.5%`, or `0`: a share of the whole." })
  .transform((text) => (text === 0 ? 0 : Number.parseFloat(text) / 100))
  .refine((part) => part <= 1, { error: "at most 100%" });
