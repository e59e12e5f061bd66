import { Text } from "ink";
import { createElement as h, type ReactElement, type ReactNode } from "react";

/** One row of text, cut where the screen ends. */
export function line(key: string, ...content: readonly ReactNode[]): ReactElement {
  return h(Text, { key, wrap: "truncate-end" }, ...content);
}

/** The title of a part of the screen, drawn over its whole width. */
export function rule(title: string, columns: number): ReactElement {
  const before = `─ ${title} `;
  return h(
    Text,
    { wrap: "truncate-end", dimColor: true },
    before + "─".repeat(Math.max(columns - before.length, 0)),
  );
}
