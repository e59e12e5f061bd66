import { Text } from "ink";
import { createElement as h, type ReactElement } from "react";
import type { Menu } from "../menu.ts";

export interface KeyLineProps {
  readonly menu: Menu;
  readonly areSeveral: boolean;
}

/** What the keys do now, the most wanted first. */
export function KeyLine({ menu, areSeveral }: KeyLineProps): ReactElement {
  const keys =
    menu.field === null
      ? [
          "q quit",
          "↑↓ Enter choose",
          "c cut connections",
          ...(areSeveral ? ["Tab next proxy"] : []),
          "PgUp PgDn scroll",
        ]
      : ["Enter apply", "Esc leave it", "Ctrl+C quit"];
  return h(Text, { wrap: "truncate-end", dimColor: true }, ` ${keys.join("  ")}`);
}
