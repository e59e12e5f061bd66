/**
 * A test for a pattern in which `*` stands for one or more characters. Compares strings; the time is linear in the text for
 * each star.
 */
export function compileGlob(pattern: string): (text: string) => boolean {
  const [first = "", ...rest] = pattern.split("*");
  const last = rest.pop();
  if (last === undefined) return (text) => text === pattern;
  if (rest.length > 0) return (text) => matchesParts(text, first, rest, last);
  const shortest = first.length + last.length + 1;
  if (first === "") return (text) => text.length >= shortest && text.endsWith(last);
  if (last === "") return (text) => text.length >= shortest && text.startsWith(first);
  return (text) => text.length >= shortest && text.startsWith(first) && text.endsWith(last);
}

/** Taking each part at its leftmost place leaves the most for the parts behind it. */
function matchesParts(text: string, first: string, middle: readonly string[], last: string): boolean {
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of middle) {
    const found = text.indexOf(part, at + 1);
    if (found === -1) return false;
    at = found + part.length;
  }
  return text.length - last.length > at && text.endsWith(last);
}
