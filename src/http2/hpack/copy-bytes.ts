/** Up to this length copying in a loop is cheaper than a call out of JavaScript. */
const SHORT = 48;

/** Copies `from[start..end)` to `to` at `at`, where there is room for it. */
export function copyBytes(from: Buffer, start: number, end: number, to: Buffer, at: number): void {
  if (end - start > SHORT) {
    from.copy(to, at, start, end);
    return;
  }
  for (let i = start, next = at; i < end; i++, next++) to[next] = from[i]!;
}
