/*
 * Settings as people write them: `maxConnections` is `max_connections` in a file, and 5000 milliseconds are `5s`.
 */

/** Settings that are times, wherever they stand. */
const TIMES: ReadonlySet<string> = new Set([
  ...["shutdown_delay", "upstream_keepalive_timeout", "slow_start", "tcp_keepalive", "h2_ping_interval"],
  ...["interval", "timeout", "min_ttl", "max_ttl", "per", "window", "ejection", "max_ejection"],
  ...["try_timeout", "backoff", "max_backoff", "hedge_after", "pending_timeout", "grpc_timeout", "delay"],
  ...["settings_timeout", "ping_interval", "ping_timeout"],
  ...["session_timeout", "ticket_rotation", "handshake_timeout", "answer_timeout"],
]);
/** What is called so is a time in these alone. */
const TIMES_WITHIN: Readonly<Record<string, ReadonlySet<string>>> = { faults: new Set(["jitter"]) };
/** What stands there is written down as it is. */
const VERBATIM: ReadonlySet<string> = new Set(["attributes"]);

/** @param name that of the setting whose value it is, @param within that of the one around it */
export function inPlainWords(value: unknown, name: string = "", within: string = ""): unknown {
  if (Array.isArray(value)) return value.map((item) => inPlainWords(item, "", name));
  if (typeof value === "number") return isTime(name, within) ? toDuration(value) : value;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (VERBATIM.has(name)) return value;
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return Object.fromEntries(
    entries.map(([key, inner]) => {
      const word = toSnakeCase(key);
      return [word, inPlainWords(inner, word, name === "" ? within : name)];
    }),
  );
}

function isTime(name: string, within: string): boolean {
  return within === "timeouts" || TIMES.has(name) || (TIMES_WITHIN[within]?.has(name) ?? false);
}

const UNITS = [
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
] as const;

/** In the largest unit of which there is a whole number; none at all is 0, as in a file. */
function toDuration(milliseconds: number): number | string {
  if (milliseconds === 0) return 0;
  const [unit, length] = UNITS.find(([, size]) => milliseconds % size === 0) ?? ["ms", 1];
  return `${milliseconds / length}${unit}`;
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
