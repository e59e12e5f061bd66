import type { PathPattern } from "../settings.ts";
import type { Predicate } from "./subject.ts";

/** The path is one of these. Targets without a path, as of `OPTIONS *` and CONNECT, never are. */
export function matchPath(patterns: readonly PathPattern[]): Predicate {
  const exact = new Set(patterns.flatMap((pattern) => (pattern.kind === "exact" ? pattern.path : [])));
  const others = patterns.filter(({ kind }) => kind !== "exact").map(compile);
  if (others.length === 0) return matchExact(exact);
  const [first] = others;
  if (exact.size === 0 && others.length === 1) return ({ path }) => first!(path);
  return ({ path }) => exact.has(path) || others.some((matches) => matches(path));
}

function matchExact(paths: ReadonlySet<string>): Predicate {
  const [only] = paths;
  return paths.size === 1 ? ({ path }) => path === only : ({ path }) => paths.has(path);
}

function compile(pattern: PathPattern): (path: string) => boolean {
  if (pattern.kind === "regex") {
    const regex = new RegExp(pattern.pattern, "u");
    return (path) => path.startsWith("/") && regex.test(path);
  }
  const prefix = pattern.path;
  if (prefix.endsWith("/")) return (path) => path.startsWith(prefix);
  return (path) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === "/");
}
