import type { Mode, Streams } from "../../chaos/mode.ts";
import { parseMode } from "../../chaos/modes.ts";
import { ApiFault } from "../http/api-message.ts";
import type { JsonValue } from "../json/json-value.ts";
import { bool, float64, JsonTypeError, readAs, struct, text } from "../json/shapes.ts";
import { badBody, missingField } from "./problems.ts";

interface ModeFields {
  kind: string;
  latency: number;
  jitter: number;
  timeout: number;
  rate: number;
  cut: boolean;
  stream: string;
}

const modeShape = struct<ModeFields>(
  { type: "Mode", name: "Mode" },
  { kind: text, latency: float64, jitter: float64, timeout: float64, rate: float64, cut: bool, stream: text },
);

const STREAMS: ReadonlySet<string> = new Set<Streams>(["upstream", "downstream", "both"]);

/**
 * A mode as `GET /proxies/{proxy}/mode` shows it, or in one text: `latency 100±20 upstream`.
 * @throws ApiFault
 */
export function readMode(value: JsonValue): Mode {
  return value.kind === "string" ? readModeText(value.value) : toMode(readFields(value));
}

function readModeText(text: string): Mode {
  try {
    return parseMode(text);
  } catch (error) {
    if (error instanceof RangeError) throw new ApiFault(400, error.message);
    throw error;
  }
}

function readFields(value: JsonValue): Partial<ModeFields> {
  try {
    return readAs(modeShape, value) ?? {};
  } catch (error) {
    if (error instanceof JsonTypeError) throw badBody(error.message);
    throw error;
  }
}

function toMode(fields: Partial<ModeFields>): Mode {
  const { kind, cut = false } = fields;
  switch (kind) {
    case "allow":
      return { kind };
    case "deny":
      return { kind, cut };
    case "latency":
      return {
        kind,
        latency: required(fields, kind),
        jitter: amount("jitter", fields.jitter ?? 0),
        stream: streamOf(fields),
      };
    case "timeout":
      return { kind, timeout: required(fields, kind), stream: streamOf(fields) };
    case "throttle":
      return { kind, rate: required(fields, "rate"), stream: streamOf(fields) };
    case undefined:
      throw missingField("kind");
    default:
      throw new ApiFault(400, "mode was invalid, can be allow, deny, latency, timeout or throttle");
  }
}

function required(fields: Partial<ModeFields>, name: "latency" | "timeout" | "rate"): number {
  const value = fields[name];
  if (value === undefined) throw missingField(name);
  return amount(name, value);
}

function amount(name: string, value: number): number {
  if (value < 0) throw new ApiFault(400, `${name} must be at least 0`);
  return value;
}

function streamOf({ stream = "both" }: Partial<ModeFields>): Streams {
  const lower = stream.toLowerCase();
  if (!STREAMS.has(lower)) throw new ApiFault(400, "stream was invalid, can be upstream, downstream or both");
  return lower as Streams;
}
