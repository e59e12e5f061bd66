import { isToken } from "../../http/characters.ts";

/** Field names that a response may vary by; one with more can't be found again at a bearable price. */
const MOST_NAMES = 16;

/**
 * The names by which responses under one key vary, when one comes that names others: all of them. Many servers name `Origin` only
 * where a request has one, and what they answer without is for nobody who has.
 * @param known as a vary list has them; "" for none
 * @returns those of the response alone where they would be too many
 */
export function joinedNames(known: string, names: readonly string[]): string[] {
  const all = new Set([...known.split(",").filter(isToken), ...names]);
  return all.size > MOST_NAMES ? [...names] : [...all].sort();
}

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
