/** Characters of a path that stand for themselves in a URL, as Go writes one. */
const PLAIN = /[A-Za-z0-9\-_.~$&+,/:;=@]/;

/** A request's target, taken apart. */
export interface RequestTarget {
  /** Decoded. */
  readonly path: string;
  /** With its question mark; "" for none. */
  readonly search: string;
}

/** @returns null for what is no path: `*`, a percent sign without its two digits */
export function parseTarget(target: string): RequestTarget | null {
  const withoutOrigin = target.replace(/^https?:\/\/[^/?#]*/i, "");
  const [, encoded = "", search = ""] = /^([^?]*)(.*)$/s.exec(withoutOrigin) ?? [];
  if (!encoded.startsWith("/") || /%(?![\da-f]{2})/i.test(encoded)) return null;
  return { path: decode(encoded), search };
}

/** Bytes that are no UTF-8 become replacement characters: such a path leads nowhere, and that is not a client's crime. */
function decode(encoded: string): string {
  if (!encoded.includes("%") && /^[ -~]*$/.test(encoded)) return encoded;
  const latin1 = encoded.replace(/%([\da-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(latin1, "latin1").toString();
}

/** The path without empty parts, `.` and `..`; a slash at its end stays. */
export function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  const clean = `/${parts.join("/")}`;
  return path.endsWith("/") && clean !== "/" ? `${clean}/` : clean;
}

/** A decoded path as it stands in a URL. */
export function encodePath(path: string): string {
  return Array.from(path, (c) => (PLAIN.test(c) ? c : encodeCharacter(c))).join("");
}

function encodeCharacter(c: string): string {
  return Buffer.from(c).toString("hex").toUpperCase().replace(/../g, "%$&");
}
