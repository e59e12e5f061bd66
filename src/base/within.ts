/**
 * Waits for work, but no longer than so many milliseconds. Rejects when the work does in that time; what becomes of it later is nobody's
 * any more.
 * @param onLate says what it comes to when the time is over, or throws; by default to undefined
 */
export async function within<T, L = undefined>(
  milliseconds: number,
  work: Promise<T>,
  onLate: () => L = nothing,
): Promise<T | L> {
  const { promise: patience, resolve: giveUp } = Promise.withResolvers<void>();
  const timer = setTimeout(giveUp, milliseconds);
  try {
    return await Promise.race([work, patience.then(onLate)]);
  } finally {
    clearTimeout(timer);
  }
}

function nothing<L>(): L {
  return undefined as L;
}
