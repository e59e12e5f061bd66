import { type Logger, pino } from "pino";

/** The levels that the original knows, in Pino's words. */
const LEVELS: ReadonlyMap<string, string> = new Map([
  ...["trace", "debug", "info", "warn", "error", "fatal"].map((level) => [level, level] as const),
  ["panic", "fatal"],
  ["disabled", "silent"],
]);

/**
 * The log of the Toxiproxy server, in the form of the original: JSON lines on standard output.
 * @param level what LOG_LEVEL says; undefined for `info`
 */
export function createServerLog(level: string | undefined): Logger {
  const known = LEVELS.get(level?.toLowerCase() || "info");
  const log = pino(
    {
      level: known ?? "info",
      base: null,
      messageKey: "message",
      errorKey: "error",
      formatters: { level: (label) => ({ level: label }) },
      timestamp: () => `,"time":"${new Date().toISOString().replace(/\.\d+Z$/, "Z")}"`,
    },
    pino.destination({ fd: 1, sync: true }),
  );
  if (known === undefined) log.error(`unknown LOG_LEVEL value: "${level}"`);
  return log;
}
