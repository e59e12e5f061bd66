import type { Logger } from "pino";
import type { Steering } from "../../control/steering.ts";
import type { StreamEvent } from "../../proxy/stream-proxy.ts";

/** What is said of an event, and how loud. */
const LINES: Readonly<Record<StreamEvent["kind"], readonly ["debug" | "info" | "error", string]>> = {
  opened: ["debug", "Accepted client"],
  closed: ["debug", "Connection is over"],
  refused: ["info", "Refused client"],
  reset: ["info", "Connection was reset"],
  timeout: ["info", "Connection timed out"],
  "connect-failed": ["error", "Unable to open connection to upstream"],
  "toxic-failed": ["error", "A toxic failed"],
};

/** Writes what happens on proxies to a log, until the function that is returned is called. */
export function logEvents(steering: Steering, log: Logger): () => void {
  if (log.level === "silent") return () => undefined;
  return steering.onEvent(({ kind, proxy, connection, client, detail }) => {
    const [level, message] = LINES[kind];
    log[level]({ name: proxy, connection, client, detail }, message);
  });
}
