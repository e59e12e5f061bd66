/** Lets work go on that nobody waits for. Whoever does it tells of its failures itself: here they are nobody's. */
export function letRun(work: unknown): void {
  if (work instanceof Promise) work.catch(() => undefined);
}
