import { parseSize } from "./quantities.ts";

type Units = ReadonlyMap<string, number>;

/** Units of one kind, each with its size. A kilobyte per second is 1000 bytes, as Toxiproxy's bandwidth counts. */
const KINDS: readonly Units[] = [
  new Map([
    ["µs", 1],
    ["us", 1],
    ["ms", 1e3],
    ["s", 1e6],
    ["m", 6e7],
    ["h", 3.6e9],
  ]),
  new Map([
    ["B/s", 1],
    ["KB/s", 1e3],
    ["MB/s", 1e6],
    ["GB/s", 1e9],
  ]),
];

const BYTES: ReadonlySet<string> = new Set(["B", "bytes"]);
const QUANTITY = /^([-+]?\d+(?:\.\d+)?) ?([^\d\s.][^\d\s]*)?$/;

/**
 * A number in the unit of an attribute: a plain number is taken for one already, `2s` is 2000 where milliseconds are
 * wanted, `64k` is a size where bytes are.
 * @throws RangeError that says which units there are
 */
export function parseQuantity(value: number | string, unit: string): number {
  if (typeof value === "number") return value;
  const [, amount, given] = QUANTITY.exec(value) ?? [];
  if (amount === undefined) throw new RangeError(`found ${JSON.stringify(value)}`);
  if (given === undefined || given === unit) return Number(amount);
  if (BYTES.has(unit)) return parseSize(value);
  const units = KINDS.find((kind) => kind.has(unit));
  const size = units?.get(given);
  if (units === undefined || size === undefined) throw new RangeError(refusal(given, unit, units));
  // Rounded, for 0.3 × 1000 is not quite 300.
  return Number(((Number(amount) * size) / units.get(unit)!).toPrecision(15));
}

function refusal(given: string, unit: string, units: Units | undefined): string {
  if (units !== undefined) return `${given} is none of the units ${[...units.keys()].join(", ")}`;
  return unit === "" ? `there is no unit ${given} here` : `${given} is not the unit ${unit}`;
}

/** A duration as one would write it: `250ms`, `30s`, `1.5s`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds === 0) return "0s";
  return milliseconds < 1000 ? `${milliseconds}ms` : `${milliseconds / 1000}s`;
}
