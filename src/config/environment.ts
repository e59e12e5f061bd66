import { PLACEHOLDERS } from "../filters/redirect.ts";

/** Environment variables by name. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** What became of a text: its value, or what is wrong and with which piece of it. */
export type Substitution =
  | { readonly kind: "value"; readonly text: string; readonly changed: boolean }
  | {
      readonly kind: "problem";
      readonly piece: string;
      readonly message: string;
      readonly expected?: string;
    };

/** `$${` is a literal `${`; `${NAME}` and `${NAME:-default}` are variables; whatever else begins like them is a mistake. */
const PIECES = /\$\$\{|\$\{(?:(?<name>[A-Za-z_]\w*)(?::-(?<fallback>[^}]*))?\})?/g;

/**
 * Fills environment variables into a text. As in a shell, `:-` also stands in for a variable that is empty. The
 * placeholders of redirects look alike and pass unchanged where they are allowed.
 */
export function substitute(text: string, env: Environment, allowsPlaceholders: boolean): Substitution {
  let result = "";
  let end = 0;
  for (const { 0: piece, index, groups } of text.matchAll(PIECES)) {
    const filled = fill(piece, groups?.["name"], groups?.["fallback"], env, allowsPlaceholders);
    if (typeof filled !== "string") return filled;
    result += text.slice(end, index) + filled;
    end = index + piece.length;
  }
  return { kind: "value", text: result + text.slice(end), changed: end > 0 };
}

function fill(
  piece: string,
  name: string | undefined,
  fallback: string | undefined,
  env: Environment,
  allowsPlaceholders: boolean,
): string | (Substitution & { kind: "problem" }) {
  if (piece === "$${") return "${";
  if (name === undefined) {
    const message = "a variable's name is missing or not closed";
    // biome-ignore lint/suspicious/noTemplateCurlyInString: this is how variables are written
    return { kind: "problem", piece, message, expected: "${NAME} or ${NAME:-default}; $${ is a literal ${" };
  }
  if (fallback === undefined && PLACEHOLDERS.some((placeholder) => placeholder === name)) {
    if (allowsPlaceholders) return piece;
    return {
      kind: "problem",
      piece,
      message: `${piece} is a placeholder, which only the target of a redirect may have`,
    };
  }
  const value = env[name];
  if (fallback !== undefined) return value === undefined || value === "" ? fallback : value;
  if (value !== undefined) return value;
  const message = `the environment variable ${name} is not set`;
  return { kind: "problem", piece, message, expected: `it to be set, or a default: \${${name}:-default}` };
}
