import { Box, Text } from "ink";
import { createElement as h, type ReactElement, type ReactNode } from "react";
import type { ProxyState } from "../../control/steering.ts";
import type { Field } from "../field.ts";
import type { Layout } from "../layout.ts";
import type { Menu } from "../menu.ts";
import { choiceOf, describeStreams, MODES, type ModeChoice } from "../modes.ts";
import type { Palette } from "../palette.ts";
import { printable } from "../units.ts";
import type { Sight } from "../watch.ts";
import { paintOf } from "./head.ts";
import { line, rule } from "./parts.ts";

export interface ModePanelProps {
  readonly sight: Sight;
  readonly menu: Menu;
  readonly layout: Layout;
  readonly palette: Palette;
}

/** The menu, and beside or below it what the highlighted mode is about and the field for its value. */
export function ModePanel(props: ModePanelProps): ReactElement {
  return props.layout.isFlat ? flatPanel(props) : tallPanel(props);
}

function tallPanel(props: ModePanelProps): ReactElement {
  const { menu, layout } = props;
  const rows = MODES.map((choice) => line(choice.kind, " ", modeItem(choice, props)));
  const side = [
    line("about", " ", choiceOf(menu.highlighted).about),
    fieldLine(props),
    adviceLine(props),
    line("streams", ` s  acts ${describeStreams(menu.streams)}`),
    line("cut", ` x  deny ends connections that run: ${yesNo(menu.cut)}`),
    line("toxics", " ", describeToxics(props.sight.proxy)),
  ];
  return h(
    Box,
    { flexDirection: "column", flexShrink: 0 },
    rule("Mode", layout.columns),
    h(
      Box,
      { height: 6 },
      h(Box, { flexDirection: "column", width: 16, flexShrink: 0 }, ...rows),
      h(Box, { flexDirection: "column", flexGrow: 1 }, ...side),
    ),
  );
}

function flatPanel(props: ModePanelProps): ReactElement {
  const { menu, sight } = props;
  const items = MODES.flatMap((choice) => [modeItem(choice, props), " "]);
  const settings = `s ${describeStreams(menu.streams)}  x deny cuts: ${yesNo(menu.cut)}  ${describeToxics(sight.proxy)}`;
  return h(
    Box,
    { flexDirection: "column", flexShrink: 0 },
    line("menu", ...items),
    menu.field === null ? line("settings", " ", settings) : fieldLine(props),
    adviceLine(props),
  );
}

/** `❯` is where the arrows are, `●` the mode that runs. */
function modeItem({ kind, key }: ModeChoice, { sight, menu, palette }: ModePanelProps): ReactElement {
  const isHighlighted = menu.highlighted === kind;
  const runs = sight.proxy?.mode.kind === kind;
  const paint = runs ? paintOf(sight.proxy!.mode, palette) : {};
  const marks = `${isHighlighted ? "❯" : " "}${runs ? "●" : " "}`;
  return h(Text, { key: kind, bold: isHighlighted || runs, ...paint }, `${marks}${key} ${kind}`);
}

function fieldLine({ menu, palette }: ModePanelProps): ReactElement {
  if (menu.field === null) return line("field", "");
  const label = choiceOf(menu.highlighted).value?.label ?? "";
  return line("field", h(Text, { bold: true, ...palette.accent }, ` ${label}: `), ...fieldText(menu.field));
}

/** The cursor is drawn, as the terminal's own is hidden. */
function fieldText({ text, cursor, isSelected }: Field): ReactNode[] {
  if (isSelected) return [h(Text, { key: "all", inverse: true }, text)];
  return [
    text.slice(0, cursor),
    h(Text, { key: "cursor", inverse: true }, text[cursor] ?? " "),
    text.slice(cursor + 1),
  ];
}

/** Under the field: what is wrong with it, or how it is written; else what the last order met with. */
function adviceLine({ sight, menu, palette }: ModePanelProps): ReactElement {
  const problem = menu.field === null ? sight.problem : menu.field.problem;
  if (problem !== "") return line("problem", h(Text, palette.bad, ` ✗ ${printable(problem)}`));
  const hint = menu.field === null ? "" : (choiceOf(menu.highlighted).value?.hint ?? "");
  return line("hint", h(Text, { dimColor: true }, ` ${hint}`));
}

function describeToxics(proxy: ProxyState | null): string {
  const names = proxy?.toxics.map(({ name }) => printable(name)) ?? [];
  return names.length === 0 ? "" : `toxics: ${names.join(", ")}`;
}

function yesNo(value: boolean): string {
  return value ? "yes" : "no";
}
