import type { Latency } from "./stats.ts";

const UNITS = ["", "k", "M", "G", "T"] as const;

/** A count or a rate in at most 5 characters: `0`, `0.3`, `12.5`, `999`, `12.5k`. */
export function formatCount(count: number): string {
  let value = Math.max(count, 0);
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const isWhole = Number.isInteger(value) || value >= 99.95;
  return `${value.toFixed(isWhole ? 0 : 1)}${UNITS[unit]}`;
}

/** A share from 0 to 1: `0%`, `0.4%`, `12%`, `<0.1%` for what isn't nothing. */
export function formatPercent(share: number): string {
  const percent = share * 100;
  if (percent === 0 || percent >= 9.95) return `${Math.round(percent)}%`;
  return percent < 0.05 ? "<0.1%" : `${percent.toFixed(1)}%`;
}

/** Milliseconds in at most 6 characters: `420µs`, `1.25ms`, `125ms`, `1.25s`, `90s`; `-` where nothing was measured. */
export function formatLatency(latency: Latency, name: "p50" | "p90" | "p99" | "max"): string {
  if (latency.count === 0) return "-";
  const milliseconds = latency[name];
  if (milliseconds < 0.9995) return `${Math.round(milliseconds * 1000)}µs`;
  return milliseconds < 999.5 ? `${threeDigits(milliseconds)}ms` : `${threeDigits(milliseconds / 1000)}s`;
}

function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}
