import { globSync, readFileSync, statSync } from "node:fs";

/**
 * Says, at the beginning of a line, that the tests of a file need a process of their own, and why: they measure memory or
 * open sockets, change what the whole process has, or would be disturbed by what others changed.
 */
const alone = /^\/\/ In a process of its own: ./m;

export interface TestFile {
  readonly path: string;
  readonly isAlone: boolean;
}

/**
 * The files that the patterns name, those that take longest first, so that none is left over at the end: whole programs
 * under test/e2e, then large files.
 */
export function findTestFiles(patterns: readonly string[]): TestFile[] {
  const sizes = new Map([...new Set(globSync([...patterns]))].map((path) => [path, statSync(path).size]));
  const rank = (path: string): number => (path.startsWith("test/e2e/") ? 1e9 : 0) + (sizes.get(path) ?? 0);
  return [...sizes.keys()]
    .sort((a, b) => rank(b) - rank(a))
    .map((path) => ({ path, isAlone: alone.test(readFileSync(path, "utf8")) }));
}
