import type { Rules } from "./rules.ts";
import { readFacts, type SourceFacts, type SourceTree } from "./source-facts.ts";

/** Every breach of the rules in a tree, one readable line each; an empty list is a tree in order. */
export function findBreaches(tree: SourceTree, rules: Rules): string[] {
  const files = [...tree].map(([path, text]) => readFacts(path, text));
  const sources = files.filter((file) => isProductSource(file.path));
  return [
    ...sources.flatMap((file) => findLayerBreaches(file, rules)),
    ...findCycles(sources).map((cycle) => `import cycle: ${cycle.join(" -> ")}`),
    ...files.flatMap((file) => findLongFile(file, rules)),
    ...sources.flatMap((file) => findCommandLineUse(file, rules)),
  ];
}

/** Tests and contract suites may import anything, so the order and the cycles look at the product alone. */
function isProductSource(path: string): boolean {
  return path.startsWith("src/") && !/\.(test|contract)\.tsx?$/.test(path);
}

function findLayerBreaches(file: SourceFacts, rules: Rules): string[] {
  const isEntry = file.path === rules.publicEntry;
  if (!isEntry && rankOf(file.path, rules) === -1) return [`${file.path}: its folder has no layer`];
  return file.imports.flatMap((target) => {
    const reason = isEntry ? reasonAgainstOutside(target, rules) : reasonAgainst(file.path, target, rules);
    return reason === undefined ? [] : [`${file.path}: imports ${target}, ${reason}`];
  });
}

function reasonAgainst(importer: string, target: string, rules: Rules): string | undefined {
  if (target === rules.publicEntry) return "the public interface, which no layer may import";
  const outside = reasonAgainstOutside(target, rules);
  if (outside !== undefined || rules.sharedFiles.includes(target)) return outside;
  const from = rankOf(importer, rules);
  const to = rankOf(target, rules);
  if (to === -1) return "whose folder has no layer";
  if (to > from) return `which stands above ${folderOf(importer)}`;
  if (to === from && folderOf(target) !== folderOf(importer)) return `a sibling of ${folderOf(importer)}`;
  return undefined;
}

function reasonAgainstOutside(target: string, rules: Rules): string | undefined {
  if (rules.sharedFiles.includes(target)) return undefined;
  return isProductSource(target) ? undefined : "which is no source of the product";
}

function rankOf(path: string, rules: Rules): number {
  return rules.layers.findIndex((group) => group.includes(folderOf(path)));
}

function folderOf(path: string): string {
  const parts = path.split("/");
  return parts.length > 2 ? (parts[1] ?? "") : "";
}

function findLongFile(file: SourceFacts, rules: Rules): string[] {
  if (file.lines <= rules.maxLines || rules.longTables.includes(file.path)) return [];
  return [`${file.path}: ${file.lines} lines, more than ${rules.maxLines}`];
}

function findCommandLineUse(file: SourceFacts, rules: Rules): string[] {
  if (file.path.startsWith(rules.commandLine)) return [];
  const breaches: string[] = [];
  if (file.readsArgv) breaches.push(`${file.path}: reads process.argv outside ${rules.commandLine}`);
  if (file.usesConsole) breaches.push(`${file.path}: uses console outside ${rules.commandLine}`);
  return breaches;
}

/**
 * One cycle for each file that closes one: a depth-first walk that meets a file still open on its own path.
 * Finished files are not walked again, so the whole tree costs one visit a file.
 */
function findCycles(files: readonly SourceFacts[]): string[][] {
  const importsOf = new Map(files.map((file) => [file.path, file.imports]));
  const finished = new Set<string>();
  const open: string[] = [];
  const cycles: string[][] = [];

  const walk = (path: string): void => {
    const start = open.indexOf(path);
    if (start !== -1) cycles.push([...open.slice(start), path]);
    if (start !== -1 || finished.has(path)) return;
    open.push(path);
    for (const target of importsOf.get(path) ?? []) walk(target);
    open.pop();
    finished.add(path);
  };
  for (const file of files) walk(file.path);
  return cycles;
}
