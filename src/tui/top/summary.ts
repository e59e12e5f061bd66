import { sparkline } from "../sparkline.ts";
import { formatAge, formatRate, printable } from "../units.ts";
import { formatCount, formatLatency, formatPercent } from "./numbers.ts";
import { errorShare, type Picture, rowsOf, SECTIONS, type SectionOptions, sectionLines } from "./sections.ts";
import type { Stats, WindowName } from "./stats.ts";

/** `1.2k req/s  ↑ 12.3 kB/s  ↓ 4.5 MB/s  errors 0.1%  p50 1.25ms  p99 12.5ms  max 80.1ms  34 open` */
export function totalsText({ total }: Stats, window: WindowName): string {
  const { rates, latency } = total.windows[window];
  return [
    `${formatCount(rates.requests)} req/s`,
    ...(rates.connections > 0 ? [`${formatCount(rates.connections)} conn/s`] : []),
    `↑ ${formatRate(rates.bytes_in)}`,
    `↓ ${formatRate(rates.bytes_out)}`,
    `errors ${formatPercent(errorShare(total, window))}`,
    `p50 ${formatLatency(latency, "p50")}`,
    `p99 ${formatLatency(latency, "p99")}`,
    `${formatCount(total.connections_open)} open`,
  ].join("  ");
}

const LONGEST_SPARKLINE = 60;
const ROWS_OF_TOP = 10;

/** All of it as text, once: for whoever isn't at a terminal. */
export function snapshotText(picture: Picture, url: string, options: SectionOptions): string {
  const { stats } = picture;
  const { since, time, total } = stats;
  const heading = `${printable(url)}  up ${formatAge(time - since)}  last ${options.window}`;
  const lines = SECTIONS.filter((name) => rowsOf(picture, name) > 0).flatMap((name) => {
    const most = name === "clients" || name === "paths" ? ROWS_OF_TOP : Number.POSITIVE_INFINITY;
    return ["", ...sectionLines(picture, name, options, { most })];
  });
  const bars = sparkline(total.history, Math.min(options.width, LONGEST_SPARKLINE, total.history.length));
  return [heading, totalsText(stats, options.window), bars, ...lines, ""].join("\n");
}
