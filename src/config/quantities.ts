const MILLISECONDS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
const BYTES = { "": 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 } as const;

export const DURATION: RegExp = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
export const SIZE: RegExp = /^(\d+(?:\.\d+)?) ?([kKmMgG]?)(?:i?[bB])?$/;

const RATE_UNITS = { "": 1, k: 1e3, m: 1e6, g: 1e9, ki: 1024, mi: 1024 ** 2, gi: 1024 ** 3 } as const;

export const RATE: RegExp = /^(\d+(?:\.\d+)?) ?((?:[kKmMgG]i?)?)[bB]?(?:\/s)?$/;

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

/** Bytes a second: 10KB/s are 10 000 of them, for rates are counted so, and 10KiB/s 10 240. @throws RangeError */
export function parseRate(value: number | string): number {
  const [, amount, unit = ""] = RATE.exec(String(value)) ?? [];
  if (amount === undefined) throw new RangeError(`${JSON.stringify(value)} is no rate`);
  return Math.round(Number(amount) * RATE_UNITS[unit.toLowerCase() as keyof typeof RATE_UNITS]);
}
