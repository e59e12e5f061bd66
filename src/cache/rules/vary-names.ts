import { isToken } from "../../http/characters.ts";

/** Field names that a response may vary by; one with more can't be found again at a bearable price. */
const MOST_NAMES = 16;

/**
 * The names of a Vary in lower case and in order, each once.
 * @returns null for `*` anywhere in it, for what are no names, and for more than 16 of them: it can't be stored then
 */
export function varyNames(vary: string): string[] | null {
  const names = new Set<string>();
  for (const element of vary.split(",")) {
    const name = element.trim().toLowerCase();
    if (name === "") continue;
    // `*` is a token too.
    if (name === "*" || !isToken(name) || names.size === MOST_NAMES) return null;
    names.add(name);
  }
  return [...names].sort();
}
