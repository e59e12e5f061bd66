const MILLISECONDS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** The most that eight digits hold. */
const MOST_COUNT = 99_999_999;

/**
 * Milliseconds, with fractions, of a `grpc-timeout`: one to eight digits and a unit.
 * @returns NaN for anything else
 */
export function parseGrpcTimeout(text: string): number {
  if (!/^\d{1,8}[HMSmun]$/.test(text)) return Number.NaN;
  return Number(text.slice(0, -1)) * MILLISECONDS[text.at(-1)!]!;
}

/** A `grpc-timeout` of so many milliseconds: whole ones, rounded up, as long as eight digits hold them. Never of nothing. */
export function formatGrpcTimeout(milliseconds: number): string {
  const count = Math.max(1, Math.ceil(milliseconds));
  return count <= MOST_COUNT ? `${count}m` : `${Math.min(MOST_COUNT, Math.ceil(count / 1000))}S`;
}
