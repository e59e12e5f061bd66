import { setTimeout as delay } from "node:timers/promises";

/** How long a test waits for something that should come at once, milliseconds; generous for a busy machine. */
export const patience = 30_000;

/**
 * Settles as `promise` does, or rejects after `milliseconds` with what `describe` then says. A test that hangs tells
 * nothing, one that fails with the output so far does.
 */
export async function withDeadline<T>(
  promise: Promise<T>,
  milliseconds: number,
  describe: () => string,
): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`waited ${milliseconds} ms for ${describe()}`));
  }, milliseconds);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

export interface UntilOptions {
  /** Milliseconds in all; {@link patience} when absent. */
  readonly timeout?: number;
  /** Milliseconds between two looks, 10 when absent. */
  readonly every?: number;
}

/** Waits until work takes less than so many milliseconds: what nothing holds up does so in the end, however busy the machine is. */
export async function untilQuick(milliseconds: number, work: () => Promise<number>): Promise<void> {
  await until(`it takes less than ${milliseconds} ms`, async () => (await work()) < milliseconds);
}

/**
 * Looks again and again until `condition` yields something truthy, and returns that. Only for facts that send no event,
 * such as the memory of another process.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  options: UntilOptions = {},
): Promise<T> {
  const { timeout = patience, every = 10 } = options;
  const end = performance.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > end) throw new Error(`waited ${timeout} ms until ${what}`);
    await delay(every);
  }
}
