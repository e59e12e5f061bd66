import { DEFAULT_UPGRADE_TIMEOUT, type Upgrader } from "../../control/upgrade/upgrader.ts";
import { ApiFault, type ApiRequest, type ApiResponse, emptyAnswer } from "../http/api-message.ts";

/** Seconds that a new process may take to get ready. */
const LONGEST = 3_600;

/**
 * Has another process take the place of this one; null when that isn't what is asked. Answered by JSON lines while it happens, of which
 * the last one tells what came of it: `upgraded` or `refused`.
 */
export function answerUpgrade(
  upgrader: Pick<Upgrader, "start">,
  { method, path, query }: ApiRequest,
): ApiResponse | null {
  if (path !== "/upgrade") return null;
  if (method !== "POST") return emptyAnswer(405);
  const timeout = toTimeout(query.get("timeout"));
  return {
    status: 200,
    headers: { "Content-Type": "application/x-ndjson", "Cache-Control": "no-store" },
    body(sink) {
      const tell = (line: object): void => sink.write(`${JSON.stringify(line)}\n`);
      upgrader
        .start(timeout, (text) => tell({ event: "progress", text }))
        .then(
          (pid) => tell({ event: "upgraded", pid }),
          ({ message }: Error) => tell({ event: "refused", message }),
        )
        .finally(() => sink.end());
      // Who asked may leave: what was begun goes on.
      return () => undefined;
    },
  };
}

/** Milliseconds. @throws ApiFault */
function toTimeout(text: string | null): number {
  if (text === null) return DEFAULT_UPGRADE_TIMEOUT;
  const seconds = Number(text);
  if (!(seconds > 0 && seconds <= LONGEST))
    throw new ApiFault(400, `timeout is a number of seconds, up to ${LONGEST}`);
  return seconds * 1_000;
}
