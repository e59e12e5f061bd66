/**
 * A distinguished name by RFC 4514, from the lines that Node makes of it: the most special part first, all of it ASCII. What has
 * to be escaped is written in hexadecimal, `\2C` for a comma: so there is neither a quote nor a second backslash in it, and
 * whoever reads it in quotes finds their end, however he takes a backslash.
 * @param lines as `X509Certificate.subject` has them: escaped by RFC 2253, but with characters as they are
 */
export function toRfc4514(lines: string): string {
  return lines.split("\n").toReversed().map(toRelativeName).join(",");
}

/** `L=a + OU=b` to `L=a+OU=b`. */
function toRelativeName(line: string): string {
  let text = "";
  for (let at = 0; at < line.length; at++) {
    const char = line[at]!;
    if (char === "\\") {
      const isHex = /^[0-9A-F]{2}/.test(line.slice(at + 1, at + 3));
      text += isHex ? line.slice(at, at + 3) : toHexPairs(line[at + 1] ?? "\\");
      at += isHex ? 2 : 1;
    } else if (line.startsWith(" + ", at)) {
      // A plus sign of a value is escaped.
      text += "+";
      at += 2;
    } else text += /[\x20-\x7e]/.test(char) && char !== '"' ? char : hexPairsAt(line, at);
    if (isHighSurrogate(char)) at++;
  }
  return text;
}

function hexPairsAt(line: string, at: number): string {
  return toHexPairs(String.fromCodePoint(line.codePointAt(at)!));
}

function isHighSurrogate(char: string): boolean {
  return char >= "\ud800" && char <= "\udbff";
}

function toHexPairs(char: string): string {
  return Buffer.from(char).reduce((text, byte) => `${text}\\${hex(byte)}`, "");
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, "0");
}
