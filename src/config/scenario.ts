import type { ToxicChange } from "../chaos/faults.ts";
import type { Mode } from "../chaos/mode.ts";
import type { ToxicSettings } from "../chaos/toxic.ts";

/** A timeline of faults, checked and in its normal form. Plain data; times in milliseconds. */
export interface Scenario {
  readonly name: string;
  /** Null when the file has none. */
  readonly seed: string | null;
  /** Rounds; `Infinity` for ever. */
  readonly repeat: number;
  /** Made before the first step and removed at the end. */
  readonly proxies: readonly ScenarioProxy[];
  readonly steps: readonly ScenarioStep[];
}

export interface ScenarioProxy {
  readonly name: string;
  readonly protocol: "tcp" | "udp";
  readonly listen: string;
  readonly upstreams: readonly string[];
  readonly enabled: boolean;
  readonly toxics: readonly ToxicSettings[];
  readonly mode: Mode;
}

/** A time that may be drawn: `milliseconds` give or take `spread`. */
export interface TimeSpan {
  readonly milliseconds: number;
  readonly spread: number;
}

export interface ScenarioStep {
  /** Where it stands in the file, 1 for the first. */
  readonly line: number;
  /** `start`: counted from the start of the round. `previous`: from the end of the step before. */
  readonly from: "start" | "previous";
  readonly time: TimeSpan;
  /** After how long it is undone; null when it stays. */
  readonly lasts: TimeSpan | null;
  readonly targets: Targets;
  /** Null for a step that only logs. */
  readonly action: StepAction | null;
  /** "" for none. */
  readonly log: string;
}

/** The proxies that a step acts on. */
export type Targets =
  | { readonly kind: "named"; readonly names: readonly string[] }
  /** One of these, drawn anew in each round. */
  | { readonly kind: "oneOf"; readonly names: readonly string[] }
  /** All that there are when the step comes. */
  | { readonly kind: "all" };

export type StepAction =
  | { readonly kind: "mode"; readonly mode: Mode }
  | { readonly kind: "addToxic"; readonly toxic: ToxicSettings }
  | { readonly kind: "updateToxic"; readonly toxic: string; readonly change: ToxicChange }
  | { readonly kind: "removeToxic"; readonly toxic: string }
  | { readonly kind: "ramp"; readonly ramp: Ramp }
  | { readonly kind: "cut" }
  | { readonly kind: "enabled"; readonly enabled: boolean };

/** A value that moves evenly from one number to another. */
export interface Ramp {
  /** The toxic's name; where `adds` isn't null, its type. */
  readonly toxic: string;
  /** The toxic to add when the proxy has neither one called `toxic` nor one of this name; null: there has to be one. */
  readonly adds: ToxicSettings | null;
  /** `toxicity`, or one of the toxic's attributes. */
  readonly attribute: string;
  readonly from: number;
  readonly to: number;
  readonly over: number;
  /** How many values follow the first. */
  readonly steps: number;
  /** The attribute takes whole numbers only. */
  readonly isWhole: boolean;
}
