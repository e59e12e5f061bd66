import type { Coding } from "./coding-settings.ts";

/** A weight as RFC 9110 §12.4.2 writes it: at most three digits, none of it above 1. */
const WEIGHT = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** What a client said of codings: `gzip`, `br;q=0.5`, `*;q=0`. */
export class AcceptEncoding {
  readonly #weights = new Map<string, number>();

  /** @param value the field's; what isn't well formed in it says nothing */
  constructor(value: string) {
    for (const member of value.split(",")) {
      const [name = "", ...parameters] = member.split(";");
      const weight = weightOf(parameters);
      if (weight !== null) this.#note(toCodingName(name), weight);
    }
  }

  /** Of a coding that is named twice the better weight holds: a client that takes it at all takes it. */
  #note(coding: string, weight: number): void {
    if (coding !== "") this.#weights.set(coding, Math.max(weight, this.#weights.get(coding) ?? 0));
  }

  /** How much a coding is liked, 0 to 1; 0: not at all. */
  weightOf(coding: Coding): number {
    return this.#weights.get(coding) ?? this.#weights.get("*") ?? 0;
  }

  /** How much a body as it is is liked; without a word on it, less than whatever is named, and never not at all (§12.5.3). */
  get #plainWeight(): number {
    return this.#weights.get("identity") ?? 0;
  }

  /**
   * The coding that the client likes best; of several the one that comes first in `preference`. Null: as it is, also where the
   * client wants none of what there is: a 406 would help nobody.
   */
  choose(preference: readonly Coding[]): Coding | null {
    let best: Coding | null = null;
    let most = 0;
    for (const coding of preference) {
      const weight = this.weightOf(coding);
      if (weight > most) [best, most] = [coding, weight];
    }
    return most >= this.#plainWeight ? best : null;
  }
}

/** @returns null when it isn't well formed */
function weightOf(parameters: readonly string[]): number | null {
  if (parameters.length === 0) return 1;
  const [name, value] = parameters[0]!.trim().split("=");
  if (name?.toLowerCase() !== "q" || value === undefined || !WEIGHT.test(value)) return null;
  return Number(value);
}

/** A coding's name as it is compared: `x-gzip` is `gzip` (RFC 9110 §8.4.1.3). */
export function toCodingName(name: string): string {
  const word = name.trim().toLowerCase();
  return word === "x-gzip" ? "gzip" : word;
}
