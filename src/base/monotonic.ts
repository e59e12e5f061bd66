/** What this thread's clock has to be set forward by; each thread's began at another moment. */
const OFFSET: number = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** Milliseconds of the machine's monotonic clock, with fractions: the same in all threads and processes of a machine. */
export function monotonicNow(): number {
  return OFFSET + performance.now();
}
