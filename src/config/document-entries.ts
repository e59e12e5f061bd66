/*
 * A document as it was written, for checks that look at it without knowing whether it is right in any way.
 */

export type Path = readonly PropertyKey[];
export type Section = Readonly<Record<string, unknown>>;

/** A map of the document and where it stands. */
export interface Entry {
  readonly section: Section;
  readonly path: Path;
}

/** The maps in a list. */
export function entriesOf(value: unknown, path: Path): Entry[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((section: unknown, i) =>
    isSection(section) ? [{ section, path: [...path, i] }] : [],
  );
}

/** The map, or the maps in a list, where one thing may stand for a list of one. */
export function entriesAt(value: unknown, path: Path): Entry[] {
  return isSection(value) ? [{ section: value, path }] : entriesOf(value, path);
}

export function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
