const BARS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/**
 * The last values as bars, relative to the greatest of those shown; the newest stands on the right.
 * What is more than nothing is never drawn as nothing.
 */
export function sparkline(values: readonly number[], width: number): string {
  if (width <= 0) return "";
  const shown = values.slice(-width);
  const most = Math.max(...shown, 0);
  const bars = shown.map((value) => barOf(value, most)).join("");
  return BARS[0].repeat(width - shown.length) + bars;
}

function barOf(value: number, most: number): string {
  if (value <= 0) return BARS[0];
  return BARS[Math.max(Math.round((value / most) * (BARS.length - 1)), 1)]!;
}
