import type { BodyLength } from "../http/heads.ts";
import type { HttpHeaders } from "../http/http-headers.ts";

/**
 * How a message is framed on its way out. Without body filters it is as it came. With them, the head's `Content-Length`
 * is a promise about what the filters make of the body; a head without one is sent in chunks.
 */
export function sentLength(
  received: BodyLength,
  headers: HttpHeaders | null,
  isFiltered: boolean,
): BodyLength {
  if (!isFiltered || headers === null || received === "none") return received;
  const declared = headers.get("content-length");
  return declared !== null && /^\d{1,15}$/.test(declared) ? Number(declared) : "unknown";
}

/** Counts what filters made of a body against the length its head declared. */
export class LengthCheck {
  #left: number;

  constructor(declared: BodyLength) {
    if (declared === "none") this.#left = 0;
    else this.#left = declared === "unknown" ? Number.POSITIVE_INFINITY : declared;
  }

  /** False when `bytes` more would be too many. */
  accepts(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** True when the body may end here. */
  get isSatisfied(): boolean {
    return this.#left === 0 || this.#left === Number.POSITIVE_INFINITY;
  }
}
