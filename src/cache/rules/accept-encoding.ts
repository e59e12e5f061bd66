/**
 * What an Accept-Encoding comes to (RFC 9110 §12.5.3): its codings in groups by how much they are wanted, the best first, and
 * those that are refused. Requests that differ in order, white space, case or the exact weights share a variant.
 *
 *     gzip;q=0.8, br, *;q=0  ──▶  br;gzip!*          "br, gzip" and "gzip;q=1.0,br"  ──▶  br,gzip
 *
 * Codings that nobody knows stay in it: a server may know them, and its answer isn't for those who don't.
 */
export function normalCodings(value: string): string {
  const weights = new Map<string, number>();
  for (const element of value.toLowerCase().split(",")) {
    const text = element.trim();
    if (text === "") continue;
    const [, name = text, digits = "1"] = ELEMENT.exec(text) ?? [];
    // `x-gzip` is gzip (RFC 9110 §8.4.1.3).
    const coding = name === "x-gzip" ? "gzip" : name;
    weights.set(coding, Math.max(Number(digits), weights.get(coding) ?? 0));
  }
  const codings = [...weights].sort(([one, weight], [other, otherWeight]) =>
    weight === otherWeight ? compare(one, other) : otherWeight - weight,
  );
  let text = "";
  let before = Number.NaN;
  for (const [coding, weight] of codings) {
    text += separator(before, weight) + coding;
    before = weight;
  }
  return text;
}

/** A coding with its weight, if it has one. What has another form is taken as it is: nobody knows what a server makes of it. */
const ELEMENT = /^([^\s;]+)(?:[ \t]*;[ \t]*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?$/;

/** What stands between codings of these weights; NaN before the first one. */
function separator(before: number, weight: number): string {
  if (weight === 0 && before !== 0) return "!";
  if (Number.isNaN(before)) return "";
  return before === weight ? "," : ";";
}

function compare(one: string, other: string): number {
  return one < other ? -1 : 1;
}
