/** How the proxy stood at one moment. */
export interface Sample {
  /** Requests settled by then. */
  readonly requests: number;
  /** Resident memory in bytes. */
  readonly rss: number;
}

/** The two that are compared are medians over a part of the run: one sample alone may lie right before a collection. */
export interface MemoryReport {
  /** From 10 to 25 per cent of the run. */
  readonly warm: number;
  /** The last 15 per cent. */
  readonly end: number;
  readonly highest: number;
  /** Bytes per million requests after the warm-up, by least squares. */
  readonly slope: number;
}

const mib = 1024 * 1024;

/** What a process may gain between the two without being suspected: fragments, and heaps that still find their size. */
const tolerance = (warm: number): number => Math.max(16 * mib, warm * 0.1);

export function reportMemory(samples: readonly Sample[], total: number): MemoryReport {
  const after = samples.filter(({ requests }) => requests >= total * 0.1);
  return {
    warm: median(after.filter(({ requests }) => requests <= total * 0.25)),
    end: median(after.filter(({ requests }) => requests >= total * 0.85)),
    highest: Math.max(0, ...samples.map(({ rss }) => rss)),
    slope: slopeOf(after) * 1_000_000,
  };
}

/**
 * A worker's heap grows by garbage that has become old, until a full collection takes it: that is a saw of a million
 * requests a tooth, and a shorter run sees only its rising side.
 */
const shortestJudged = 3_000_000;

/** What is wrong with it, or null. */
export function judgeMemory({ warm, end }: MemoryReport, total: number): string | null {
  if (total < shortestJudged) return null;
  if (end - warm <= tolerance(warm)) return null;
  return `memory grew from ${inMib(warm)} to ${inMib(end)}`;
}

export function inMib(bytes: number): string {
  return Number.isNaN(bytes) ? "unknown" : `${(bytes / mib).toFixed(1)} MiB`;
}

/** NaN without samples: the run was too short. */
function median(samples: readonly Sample[]): number {
  const sorted = samples.map(({ rss }) => rss).toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function slopeOf(samples: readonly Sample[]): number {
  const n = samples.length;
  const meanX = samples.reduce((sum, { requests }) => sum + requests, 0) / n;
  const meanY = samples.reduce((sum, { rss }) => sum + rss, 0) / n;
  const products = samples.reduce((sum, { requests, rss }) => sum + (requests - meanX) * (rss - meanY), 0);
  const squares = samples.reduce((sum, { requests }) => sum + (requests - meanX) ** 2, 0);
  return products / squares;
}
