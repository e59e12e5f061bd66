/**
 * Whole numbers in the proportion of `shares`, as small as they can be: 100, 50 and 0 give 2, 1 and 0. When they are more than
 * `most` together they are made smaller, and somewhat inexact, but for a share never 0.
 */
export function toProportions(shares: readonly number[], most: number): number[] {
  const divisor = shares.reduce(gcd, 0);
  const sum = shares.reduce((total, share) => total + share, 0);
  if (sum <= most * divisor) return shares.map((share) => (share === 0 ? 0 : share / divisor));
  return shares.map((share) => (share === 0 ? 0 : Math.max(1, Math.round((share / sum) * most))));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
