import { nearestWord } from "../base/nearest-word.ts";
import type { Attributes } from "./attributes.ts";
import type { Faults } from "./faults.ts";
import { ALLOW, type Mode, type Streams } from "./mode.ts";
import type { Direction, ToxicSettings } from "./toxic.ts";

/*
 * A mode is a handful of toxics under names that nobody else may use. So it acts as they do: on open connections, in the
 * middle of transfers, beside toxics that were added one by one.
 */

/** What the names of a mode's toxics begin with. */
const PREFIX = "mode/";

/** True for the name of a toxic that belongs to a mode: not to be shown, nor to be taken by others. */
export function isModeToxic(name: string): boolean {
  return name.startsWith(PREFIX);
}

/** Changes the mode of a proxy from `before` to `after`. What stays of it is changed in place. */
export function applyMode(faults: Faults, before: Mode, after: Mode): void {
  const old = toxicsOf(before);
  const wanted = toxicsOf(after);
  for (const toxic of wanted) {
    if (old.some(({ name }) => name === toxic.name)) faults.update(toxic.name, toxic);
    else faults.add(toxic);
  }
  // Last, so that what the old ones held doesn't get past the new ones.
  for (const { name } of old) if (!wanted.some((toxic) => toxic.name === name)) faults.remove(name);
}

function toxicsOf(mode: Mode): ToxicSettings[] {
  switch (mode.kind) {
    case "allow":
      return [];
    case "deny":
      return [toxicOf("deny", "down", "downstream", { keep: !mode.cut })];
    case "latency":
      return eachWay(mode, "latency", { latency: mode.latency, jitter: mode.jitter });
    case "timeout":
      return eachWay(mode, "idle_timeout", { timeout: mode.timeout });
    case "throttle":
      return eachWay(mode, "bandwidth", { bytes_per_second: mode.rate });
  }
}

function eachWay(
  { kind, stream }: { readonly kind: string; readonly stream: Streams },
  type: string,
  attributes: Attributes,
): ToxicSettings[] {
  const streams: readonly Direction[] = stream === "both" ? ["upstream", "downstream"] : [stream];
  return streams.map((direction) => toxicOf(`${kind}/${direction}`, type, direction, attributes));
}

function toxicOf(name: string, type: string, stream: Direction, attributes: Attributes): ToxicSettings {
  return { name: `${PREFIX}${name}`, type, stream, toxicity: 1, attributes };
}

// ── modes as people write them ───────────────────────────────────────────────────────────────────────────────────────

const KINDS: readonly Mode["kind"][] = ["allow", "deny", "latency", "timeout", "throttle"];
const STREAMS: readonly Streams[] = ["both", "upstream", "downstream"];

const TIME = /^(\d+(?:\.\d+)?)(ms|s)?$/;
const RATE = /^(\d+(?:\.\d+)?)([kmg]?)b?(?:\/s)?$/i;
const THOUSANDS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

/** The longest that is allowed, milliseconds: a day. */
const LONGEST = 24 * 60 * 60 * 1000;

/**
 * Reads a mode: `allow`, `deny` (`deny cut`), `latency 100±20`, `timeout 500`, `throttle 10k`; the last three may end with
 * the only direction they act on, `upstream` or `downstream`. Times are milliseconds, or seconds with an `s`; rates are
 * bytes a second, with k, M or G for thousands, millions and milliards of them. `+-` and `+/-` stand for `±`.
 *
 * @throws RangeError that says what was expected
 */
export function parseMode(text: string): Mode {
  const [word = "", ...rest] = split(text);
  const kind = findWord(word, KINDS, "a mode");
  if (kind === "allow") return nothingAfter(rest, kind, ALLOW);
  if (kind === "deny") return parseDeny(rest);
  const [value, stream = "both", ...others] = rest;
  if (value === undefined) throw new RangeError(`${kind} needs ${VALUES[kind]}`);
  const mode = withValue(kind, value, findWord(stream, STREAMS, "a direction"));
  return nothingAfter(others, [kind, value, stream].join(" "), mode);
}

/** A mode as `parseMode` reads it, in its shortest form. */
export function formatMode(mode: Mode): string {
  switch (mode.kind) {
    case "allow":
      return "allow";
    case "deny":
      return mode.cut ? "deny cut" : "deny";
    case "latency":
      return withStream(`latency ${mode.latency}${mode.jitter > 0 ? `±${mode.jitter}` : ""}`, mode.stream);
    case "timeout":
      return withStream(`timeout ${mode.timeout}`, mode.stream);
    case "throttle":
      return withStream(`throttle ${formatRate(mode.rate)}`, mode.stream);
  }
}

type ValueKind = "latency" | "timeout" | "throttle";

const VALUES: Readonly<Record<ValueKind, string>> = {
  latency: "milliseconds, such as 100 or 100±20",
  timeout: "milliseconds, such as 500",
  throttle: "bytes a second, such as 250, 10k or 1.5M",
};

/** Words; what belongs to a value is put together first. */
function split(text: string): string[] {
  const plain = text.replace(/\s*(?:±|\+\/?-)\s*/g, "±").trim();
  return plain === "" ? [] : plain.split(/\s+/);
}

function findWord<T extends string>(word: string, words: readonly T[], what: string): T {
  const found = words.find((known) => known === word.toLowerCase());
  if (found !== undefined) return found;
  const nearest = nearestWord(word, words);
  const hint = nearest === undefined ? "" : `, did you mean ${nearest}?`;
  throw new RangeError(`expected ${what}: ${words.join(", ")}; found ${show(word)}${hint}`);
}

function parseDeny(words: readonly string[]): Mode {
  const [cut, ...others] = words;
  if (cut === undefined) return { kind: "deny", cut: false };
  findWord(cut.replace(/^--/, ""), ["cut"], "nothing more, or what becomes of running connections");
  return nothingAfter(others, `deny ${cut}`, { kind: "deny", cut: true });
}

function nothingAfter(words: readonly string[], what: string, mode: Mode): Mode {
  if (words.length === 0) return mode;
  throw new RangeError(`expected nothing after ${what}, found ${show(words.join(" "))}`);
}

function withValue(kind: ValueKind, value: string, stream: Streams): Mode {
  switch (kind) {
    case "latency":
      return { kind, ...parseLatency(value), stream };
    case "timeout":
      return { kind, timeout: parseTimeout(value), stream };
    case "throttle":
      return { kind, rate: parseRate(value), stream };
  }
}

function parseLatency(value: string): { latency: number; jitter: number } {
  const [latency = "", jitter, more] = value.split("±");
  if (more !== undefined) throw expected("latency", value);
  // `1±0.2s` means seconds both times.
  const unit = /s$/.test(latency) || jitter === undefined ? "" : (/m?s$/.exec(jitter)?.[0] ?? "");
  return {
    latency: parseTime("latency", latency + unit, value),
    jitter: jitter === undefined ? 0 : parseTime("latency", jitter, value),
  };
}

function parseTimeout(value: string): number {
  const timeout = parseTime("timeout", value, value);
  if (timeout === 0) throw new RangeError("timeout must be above 0; allow is the mode without");
  return timeout;
}

/** Whole milliseconds. */
function parseTime(kind: ValueKind, text: string, value: string): number {
  const [, amount, unit] = TIME.exec(text) ?? [];
  if (amount === undefined) throw expected(kind, value);
  const time = Math.round(Number(amount) * (unit === "s" ? 1000 : 1));
  if (time > LONGEST) throw new RangeError(`${kind} of ${show(value)} is longer than a day`);
  return time;
}

function parseRate(value: string): number {
  const [, amount, unit = ""] = RATE.exec(value) ?? [];
  if (amount === undefined) throw expected("throttle", value);
  const rate = Math.round(Number(amount) * THOUSANDS[unit.toLowerCase()]!);
  // Less than a byte a second is no rate, and 0 is refused so that nobody stalls a proxy by a slip.
  if (rate === 0) throw new RangeError("throttle must be at least 1 byte a second");
  if (!Number.isSafeInteger(rate)) throw expected("throttle", value);
  return rate;
}

/** The shortest text that doesn't round it. */
function formatRate(rate: number): string {
  const texts = Object.entries(THOUSANDS)
    .map(([unit, size]) => ({
      amount: rate / size,
      text: `${rate / size}${unit === "k" ? unit : unit.toUpperCase()}`,
    }))
    .filter(({ amount }) => amount >= 1)
    .map(({ text }) => text)
    .filter((text) => parseRate(text) === rate);
  return texts.reduce((shortest, text) => (text.length <= shortest.length ? text : shortest));
}

function withStream(text: string, stream: Streams): string {
  return stream === "both" ? text : `${text} ${stream}`;
}

function expected(kind: ValueKind, value: string): RangeError {
  return new RangeError(`${kind} needs ${VALUES[kind]}; found ${show(value)}`);
}

function show(text: string): string {
  return text === "" ? "nothing" : JSON.stringify(text);
}
