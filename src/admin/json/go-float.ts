import { valueJson } from "./write-json.ts";

/** Powers of ten from which on, and below which, Go shows numbers with an exponent. */
const LARGE = 6;
const SMALL = -4;

/** The shortest form of a number, as Go prints one: `1e+06`, `1.5e-05`, `187`. */
export function goFloat(value: number): string {
  const [mantissa = "", power = ""] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent >= SMALL && exponent < LARGE) return valueJson(value);
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}
