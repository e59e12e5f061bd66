import { Alarm, type AlarmClock } from "../../base/alarms.ts";

/**
 * Settles as `run` does, but rejects when `milliseconds` have passed (0: however long it takes) or `outer` is aborted. The
 * signal that `run` gets is aborted in the end whatever happened: it is enough to let go of everything there.
 */
export async function withTimeLimit<T>(
  clock: AlarmClock,
  milliseconds: number,
  outer: AbortSignal,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  outer.throwIfAborted();
  const inner = new AbortController();
  const alarm = new Alarm(clock, () => inner.abort(new Error(`no answer within ${milliseconds / 1000} s`)));
  const stop = (): void => inner.abort(outer.reason);
  if (milliseconds > 0) alarm.set(clock.now() + milliseconds);
  outer.addEventListener("abort", stop);
  try {
    return await Promise.race([run(inner.signal), whenAborted(inner.signal)]);
  } finally {
    alarm.clear();
    outer.removeEventListener("abort", stop);
    inner.abort();
  }
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
}
