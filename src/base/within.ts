/** Waits for work, but no longer than so many milliseconds. Rejects when the work does in that time. */
export async function within(milliseconds: number, work: Promise<unknown>): Promise<void> {
  const { promise: patience, resolve: giveUp } = Promise.withResolvers<void>();
  const timer = setTimeout(giveUp, milliseconds);
  try {
    await Promise.race([work, patience]);
  } finally {
    clearTimeout(timer);
  }
}
