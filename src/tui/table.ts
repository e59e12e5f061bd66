import { printable } from "./units.ts";

/** A column of text, before it is known how much room there is. */
export interface Column {
  readonly title: string;
  readonly cells: readonly string[];
  readonly align: "left" | "right";
  /** Where a cell that is too long is cut: the start of an address matters less than its port. */
  readonly cut: "start" | "end";
  /** Narrower cells are padded, so that numbers that grow don't push the rest about. */
  readonly least: number;
  /** Wider cells are cut. */
  readonly most: number;
  /** Columns with the greatest number are the first to go when there is no room; 0 stays. */
  readonly rank: number;
}

/** What a column is like, whatever stands in it. */
export type ColumnKind = Omit<Column, "title" | "cells">;

/** Makes columns of a list, with a cell for each of its rows. What stands in cells can't command the terminal. */
export function columnMaker<T>(
  rows: readonly T[],
): (title: string, kind: ColumnKind, cell: (row: T) => string | number) => Column {
  return (title, kind, cell) => ({ ...kind, title, cells: rows.map((row) => printable(String(cell(row)))) });
}

/** Spaces between columns. */
const GAP = 1;

/** The title and the rows, as wide as `width` allows; columns that don't fit are left out. */
export function formatTable(columns: readonly Column[], width: number): string[] {
  const shown = columnsThatFit(columns, width);
  const height = Math.max(...columns.map(({ cells }) => cells.length), 0);
  const line = (textOf: (column: Column) => string): string =>
    shown.map((column) => pad(textOf(column), column)).join(" ".repeat(GAP));
  const rows = Array.from({ length: height }, (_, i) => line(({ cells }) => cells[i] ?? ""));
  return [line(({ title }) => title), ...rows];
}

function columnsThatFit(columns: readonly Column[], width: number): Column[] {
  let shown = [...columns];
  while (widthOf(shown) > width) {
    const last = shown.reduce((worst, column) => (column.rank > worst.rank ? column : worst));
    if (last.rank === 0) break;
    shown = shown.filter((column) => column !== last);
  }
  return shown;
}

function widthOf(columns: readonly Column[]): number {
  return columns.reduce((sum, column) => sum + columnWidth(column) + GAP, -GAP);
}

function columnWidth({ title, cells, least, most }: Column): number {
  const longest = cells.reduce((width, cell) => Math.max(width, cell.length), Math.max(title.length, least));
  return Math.min(longest, Math.max(most, title.length));
}

function pad(text: string, column: Column): string {
  const width = columnWidth(column);
  const cut = shorten(text, width, column.cut);
  return column.align === "left" ? cut.padEnd(width) : cut.padStart(width);
}

/** Text of at most `width` characters, with an ellipsis where something is missing. */
export function shorten(text: string, width: number, cut: Column["cut"]): string {
  if (text.length <= width) return text;
  if (width <= 1) return "…".slice(0, width);
  return cut === "end" ? `${text.slice(0, width - 1)}…` : `…${text.slice(text.length - width + 1)}`;
}
