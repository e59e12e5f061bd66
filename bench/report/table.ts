/** Text in rows of equal length; the first row is the heading, the first column names the row. */
export type Cells = readonly (readonly string[])[];

/** Columns padded with spaces: names to the left, numbers to the right. */
export function textTable(cells: Cells): string {
  const widths = widthsOf(cells);
  return cells.map((row) => padRow(row, widths).join("  ").trimEnd()).join("\n");
}

/** The same as a Markdown table, readable as text too. */
export function markdownTable(cells: Cells): string {
  const widths = widthsOf(cells).map((width) => Math.max(width, 3));
  const lines = cells.map((row) => `| ${padRow(row, widths).join(" | ")} |`);
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return lines.toSpliced(1, 0, `| ${rule.join(" | ")} |`).join("\n");
}

function widthsOf(cells: Cells): number[] {
  const columns = cells[0]?.length ?? 0;
  return Array.from({ length: columns }, (_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
}

function padRow(row: readonly string[], widths: readonly number[]): string[] {
  return widths.map((width, column) => {
    const cell = row[column] ?? "";
    return column === 0 ? cell.padEnd(width) : cell.padStart(width);
  });
}
