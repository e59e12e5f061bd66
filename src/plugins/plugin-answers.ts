import { latin1 } from "../base/latin1.ts";
import { type HeadVerdict, MOST_CAPACITY, PluginError } from "./plugin.ts";

/** What `sluice_transform` returns to have the connection closed. */
export const CLOSE_ASKED = -1;

/** What is wrong with a plugin that says it wrote more than it had room for. */
export function tooMuchWritten(call: string, result: number, capacity: number): PluginError {
  return new PluginError(`${call} returned ${result} bytes, but had room for ${capacity}`);
}

/**
 * How many bytes of room `sluice_transform` asks for with a result that says neither that it wrote something nor that it
 * wants the connection to be closed. @throws PluginError when nobody gets that
 */
export function roomAskedFor(result: number, capacity: number): number {
  const needed = -2 - result;
  if (needed > capacity && needed <= MOST_CAPACITY) return needed;
  throw new PluginError(
    `sluice_transform returned ${result}: it asks for room for ${needed} bytes where it has ${capacity}, at most ${MOST_CAPACITY} are given`,
  );
}

/**
 * What `sluice_filter_request` wants with its result.
 * @param bytes where it has written, from their beginning, and how many it may have
 * @throws PluginError when that says nothing
 */
export function toVerdict(result: number, bytes: Buffer, capacity: number): HeadVerdict {
  if (result === 0) return null;
  if (result > capacity) throw tooMuchWritten("sluice_filter_request", result, capacity);
  if (result > 0) return latin1(bytes, 0, result);
  if (result <= -200 && result >= -599) return -result;
  throw new PluginError(`sluice_filter_request returned ${result}, which is no status`);
}
