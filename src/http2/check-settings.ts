import { nearestWord } from "../base/nearest-word.ts";
import { DEFAULT_FLOOD_LIMITS, type FloodLimit } from "./flood-limits.ts";
import { MAX_31_BITS } from "./frames.ts";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from "./server-options.ts";

const SMALLEST_WINDOW = 65_535;

/** Says what is wrong with a value, as what it has to be; null for nothing. */
type Check = (value: unknown) => string | null;

function wholeNumber(least: number): Check {
  const expected = `a whole number from ${least} to ${MAX_31_BITS}`;
  return (value) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= MAX_31_BITS ? null : expected;
}

function atLeast(least: number): Check {
  return (value) => (typeof value === "number" && value >= least ? null : `a number from ${least} on`);
}

const FLOOD_CHECKS: Record<keyof FloodLimit, Check> = { burst: atLeast(1), perSecond: atLeast(0) };

const CHECKS: Record<keyof Http2Settings, Check> = {
  only: (value) => (typeof value === "boolean" ? null : "true or false"),
  maxConcurrentStreams: wholeNumber(1),
  streamWindow: wholeNumber(SMALLEST_WINDOW),
  connectionWindow: wholeNumber(SMALLEST_WINDOW),
  settingsTimeout: atLeast(0),
  pingInterval: atLeast(0),
  pingTimeout: atLeast(0),
  continuations: wholeNumber(0),
  floods: (value) => (typeof value === "object" && value !== null ? null : "an object"),
};

/**
 * What a type checker and the configuration would say of a program's settings: programs run without either.
 * @throws TypeError for a setting that there isn't, RangeError for a value that isn't allowed
 */
export function checkHttp2Settings(settings: Partial<Http2Settings>): void {
  checkAll(
    "http2",
    settings,
    Object.keys(DEFAULT_HTTP2_SETTINGS),
    (name) => CHECKS[name as keyof Http2Settings],
  );
  const floods = settings.floods ?? {};
  checkAll("http2.floods", floods, Object.keys(DEFAULT_FLOOD_LIMITS), () => isBucket);
  for (const [name, limit] of Object.entries(floods)) {
    const path = `http2.floods.${name}`;
    checkAll(path, limit, Object.keys(FLOOD_CHECKS), (key) => FLOOD_CHECKS[key as keyof FloodLimit]);
  }
}

const isBucket: Check = (value) => {
  const isWhole = typeof value === "object" && value !== null && "burst" in value && "perSecond" in value;
  return isWhole ? null : "an object with burst and perSecond";
};

function checkAll(
  path: string,
  values: object,
  names: readonly string[],
  checkOf: (name: string) => Check,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (!names.includes(name)) {
      const nearest = nearestWord(name, names);
      const hint = nearest === undefined ? "" : `; did you mean ${nearest}?`;
      throw new TypeError(`There is no ${path}.${name}${hint}`);
    }
    const expected = checkOf(name)(value);
    if (expected !== null) throw new RangeError(`${path}.${name} has to be ${expected}`);
  }
}
