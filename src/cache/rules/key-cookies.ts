import type { RequestHead } from "../../http/heads.ts";

/**
 * What a request's cookies come to in a key for one that is called `name`: the value as it came. Which of several counts, and
 * how names are spelt, servers don't agree on: the first or the last, `l%61ng` for `lang`, commas between cookies. So where
 * there is anything else that some server might take for it, all of it is in the key.
 *
 *     lang=de; a=b ─▶ de          lang=de; LANG=en ─▶ ;lang=de;LANG=en
 *
 * @returns null when there is none
 */
export function cookieInKey(request: RequestHead, name: string): string | null {
  const loose = toLooseName(name);
  const found: string[] = [];
  // Not joined by commas: a value may hold one.
  for (const field of request.headers.getAll("cookie")) {
    for (const cookie of field.split(";")) {
      const [pair, ...rest] = cookie.split(",");
      if (namesIt(pair!, loose)) found.push(cookie);
      for (const part of rest) if (namesIt(part, loose)) found.push(`,${part}`);
    }
  }
  if (found.length === 0) return null;
  const [only = ""] = found;
  const plain = only.trimStart();
  return found.length === 1 && plain.startsWith(`${name}=`)
    ? plain.slice(name.length + 1)
    : `;${found.join(";")}`;
}

function namesIt(pair: string, loose: string): boolean {
  const equals = pair.indexOf("=");
  return toLooseName(equals === -1 ? pair : pair.slice(0, equals)) === loose;
}

const ESCAPED = /%([0-9a-f]{2})/gi;

/** As PHP reads it, which decodes names, ends them at a NUL or a `[`, and has `_` for dots and spaces; and without regard to case. */
function toLooseName(name: string): string {
  const decoded = name
    .replaceAll("+", " ")
    .replace(ESCAPED, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
  const [stem = ""] = decoded.trim().toLowerCase().split(/[\0[]/, 1);
  return stem.replace(/[. ]/g, "_");
}
