/** Of a type's name: a token but for the star, which means something here. */
const TOKEN = "[!#$%&'+.^_`|~0-9a-z-]+";
const PATTERN = new RegExp(`^(?:\\*|\\*/\\*|${TOKEN}/\\*|${TOKEN}/${TOKEN}|\\*?\\+${TOKEN})$`, "i");
/** Types that are remembered: servers send few. */
const MOST_REMEMBERED = 256;

/**
 * A set of content types: `application/json`, all of a kind (`text/*`), all that are written in something (`*+json`), or all
 * (`*`). Parameters aren't looked at.
 */
export class ContentTypes {
  readonly #exact = new Set<string>();
  /** `text/` */
  readonly #kinds = new Set<string>();
  /** `+json` */
  readonly #suffixes = new Set<string>();
  readonly #takesAll: boolean;
  readonly #remembered = new Map<string, boolean>();

  /** @throws RangeError for what is no pattern */
  constructor(patterns: readonly string[]) {
    const words = patterns.map(toTypePattern);
    this.#takesAll = words.some((word) => word === "*" || word === "*/*");
    for (const word of words) {
      if (word.startsWith("*+")) this.#suffixes.add(word.slice(1));
      else if (word.endsWith("/*")) this.#kinds.add(word.slice(0, -1));
      else this.#exact.add(word);
    }
  }

  /** @param value that of a `Content-Type` */
  has(value: string): boolean {
    const known = this.#remembered.get(value);
    if (known !== undefined) return known;
    const answer = this.#takesAll || this.#find(essenceOf(value));
    if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(value, answer);
    return answer;
  }

  #find(type: string): boolean {
    if (this.#exact.has(type)) return true;
    const slash = type.indexOf("/");
    if (slash === -1) return false;
    return this.#kinds.has(type.slice(0, slash + 1)) || this.#suffixes.has(type.slice(type.lastIndexOf("+")));
  }
}

/** A pattern in its normal form. @throws RangeError when it is none */
export function toTypePattern(text: string): string {
  if (!PATTERN.test(text)) throw new RangeError(`${JSON.stringify(text)} is no content type`);
  const word = text.toLowerCase();
  return word.startsWith("+") ? `*${word}` : word;
}

/** The type without parameters, in small letters. */
export function essenceOf(value: string): string {
  const end = value.indexOf(";");
  return (end === -1 ? value : value.slice(0, end)).trim().toLowerCase();
}
