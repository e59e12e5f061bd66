import type { Mode, Streams } from "../chaos/mode.ts";
import { formatMode, parseMode } from "../chaos/modes.ts";
import { formatRate } from "./units.ts";

export type ModeKind = Mode["kind"];
/** Modes that want a value. */
export type ValueKind = "latency" | "timeout" | "throttle";

/** A mode as the menu offers it. */
export interface ModeChoice {
  readonly kind: ModeKind;
  readonly key: string;
  /** One line. */
  readonly about: string;
  /** Null for modes that need no value. */
  readonly value: ValueHelp | null;
}

interface ValueHelp {
  /** What the value is, before the field. */
  readonly label: string;
  readonly hint: string;
  /** What the field holds the first time. */
  readonly first: string;
}

export const MODES: readonly ModeChoice[] = [
  { kind: "allow", key: "a", about: "everything passes", value: null },
  { kind: "deny", key: "d", about: "new connections are refused", value: null },
  {
    kind: "latency",
    key: "l",
    about: "everything arrives late; order and throughput stay",
    value: { label: "delay in ms", hint: "100, 1.5s, 100±20 with jitter (100+-20 will do)", first: "100" },
  },
  {
    kind: "timeout",
    key: "t",
    about: "a connection on which nothing comes for that long is closed",
    value: { label: "timeout in ms", hint: "500, 30s", first: "500" },
  },
  {
    kind: "throttle",
    key: "h",
    about: "a connection gets no more than so many bytes a second",
    value: { label: "bytes a second", hint: "250, 10k, 1.5M", first: "100k" },
  },
];

export function choiceOf(kind: ModeKind): ModeChoice {
  return MODES.find((choice) => choice.kind === kind)!;
}

export function hasValue(kind: ModeKind): kind is ValueKind {
  return choiceOf(kind).value !== null;
}

/** Reads what was typed for a mode. @throws RangeError that says what was expected */
export function readMode(kind: ValueKind, text: string, streams: Streams): Mode {
  return parseMode(`${kind} ${text}${streams === "both" ? "" : ` ${streams}`}`);
}

/** A mode's value as it would be typed; "" for modes without. */
export function valueText(mode: Mode): string {
  if (!("stream" in mode)) return "";
  return formatMode({ ...mode, stream: "both" }).slice(mode.kind.length + 1);
}

/** A mode in words: `latency 100±20 ms, both ways`. */
export function describeMode(mode: Mode): string {
  switch (mode.kind) {
    case "allow":
    case "deny":
      return mode.kind;
    case "throttle":
      return `throttle ${formatRate(mode.rate)}, ${describeStreams(mode.stream)}`;
    default:
      return `${mode.kind} ${valueText(mode)} ms, ${describeStreams(mode.stream)}`;
  }
}

const STREAM_WORDS: Readonly<Record<Streams, string>> = {
  both: "both ways",
  upstream: "client → server",
  downstream: "server → client",
};

export function describeStreams(streams: Streams): string {
  return STREAM_WORDS[streams];
}

const NEXT_STREAMS: Readonly<Record<Streams, Streams>> = {
  both: "upstream",
  upstream: "downstream",
  downstream: "both",
};

export function nextStreams(streams: Streams): Streams {
  return NEXT_STREAMS[streams];
}
