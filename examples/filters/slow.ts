// Writes a line for each request that took its time, or failed.
import { defineFilter } from "sluice";

interface Patience {
  /** Milliseconds. */
  readonly over: number;
}

export default defineFilter(
  (config: unknown): Patience => ({ over: 1_000, ...(config as Partial<Patience> | undefined) }),
  ({ over }, { name }) => ({
    // Also for requests that another filter has answered, or a limit refused.
    logging({ request, response, timings }, error) {
      const took = timings.end - timings.start;
      if (took < over && error === null) return;
      const end = error === null ? response?.status : error.code;
      console.log(`${name}: ${request.method} ${request.path}: ${end} after ${Math.round(took)} ms`);
    },
  }),
);
