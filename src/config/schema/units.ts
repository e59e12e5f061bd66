import * as z from "zod";
import { oneOf } from "./values.ts";

const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const BYTES = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const;

const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
const SIZE = /^(\d+(?:\.\d+)?) ?([kKmMgG]?)(?:i?[bB])?$/;

const DURATION_EXPECTED = "a duration: 500ms, 30s, 2m, 1h, or a number of seconds";
const SIZE_EXPECTED = "a size: 64k, 10MB, 1g, or a number of bytes";

/** Milliseconds. @throws RangeError */
export function parseDuration(value: number | string): number {
  const [, amount, unit] = DURATION.exec(typeof value === "number" ? `${value}s` : value) ?? [];
  if (amount === undefined) throw new RangeError(`${JSON.stringify(value)} is no duration`);
  return Math.round(Number(amount) * MILLISECONDS[unit as keyof typeof MILLISECONDS]);
}

/** Bytes; every unit is a power of 1024. @throws RangeError */
export function parseSize(value: number | string): number {
  const [, amount, unit = ""] = SIZE.exec(String(value)) ?? [];
  if (amount === undefined) throw new RangeError(`${JSON.stringify(value)} is no size`);
  return Math.round(Number(amount) * BYTES[unit.toLowerCase() as keyof typeof BYTES]);
}

/** A time in milliseconds. 24 days is the longest a timer can wait. */
export const duration: z.ZodType<number> = oneOf(DURATION_EXPECTED, [
  z.number({ error: DURATION_EXPECTED }).min(0, { error: DURATION_EXPECTED }),
  z.string({ error: DURATION_EXPECTED }).regex(DURATION, { error: DURATION_EXPECTED }),
])
  .meta({ id: "Duration", description: "`500ms`, `30s`, `2m`, `1h`, or a number of seconds." })
  .transform(parseDuration)
  .refine((milliseconds) => milliseconds < 2 ** 31, { error: "at most 24 days" });

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
