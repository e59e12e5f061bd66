import { Box, Text, useInput, useWindowSize } from "ink";
import { createElement as h, type ReactElement, useSyncExternalStore } from "react";
import { keysOf } from "../keys.ts";
import type { Palette } from "../palette.ts";
import { sparkline } from "../sparkline.ts";
import { type Picture, rowsOf, SECTIONS, type SectionName, sectionLines } from "../top/sections.ts";
import { totalsText } from "../top/summary.ts";
import type { TopControls, TopState } from "../top/top-controls.ts";
import type { TopWatch } from "../top/top-watch.ts";
import { formatAge, printable } from "../units.ts";
import { line, rule } from "./parts.ts";
import { subscribeTo } from "./subscribe.ts";

export interface TopScreenProps {
  readonly watch: TopWatch;
  readonly controls: TopControls;
  readonly palette: Palette;
}

/** Rows that are no list's: three of the head, the keys. */
const FIXED_ROWS = 4;
/** A title and a heading. */
const ROWS_OF_SECTION = 2;

/** What passes a running process, live. */
export function TopScreen({ watch, controls, palette }: TopScreenProps): ReactElement {
  const { picture, problem } = useSyncExternalStore(subscribeTo(watch), () => watch.sight);
  const state = useSyncExternalStore(subscribeTo(controls), () => controls.state);
  const { columns, rows } = useWindowSize();
  const room = Math.max(rows - FIXED_ROWS, 0);
  controls.pageLength = Math.max(room - ROWS_OF_SECTION, 1);
  controls.rows = picture === null || state.view === "all" ? 0 : rowsOf(picture, state.view);
  useInput((input, key) => {
    for (const press of keysOf(input, key)) controls.press(press);
  });
  return h(
    Box,
    { flexDirection: "column", width: columns, height: rows, overflow: "hidden" },
    ...head(watch, picture, state, { columns, palette, problem }),
    h(
      Box,
      { flexDirection: "column", height: room, overflow: "hidden" },
      ...(picture === null ? [] : lists(picture, state, columns, room)),
    ),
    line(
      "keys",
      h(
        Text,
        { dimColor: true },
        " q quit  space pause  s sort  w window  a all  l r u g c p lists  ↑↓ scroll",
      ),
    ),
  );
}

function head(
  watch: TopWatch,
  picture: Picture | null,
  { window, sort }: TopState,
  {
    columns,
    palette,
    problem,
  }: { readonly columns: number; readonly palette: Palette; readonly problem: string },
): ReactElement[] {
  const age = picture === null ? "" : `  up ${formatAge(picture.stats.time - picture.stats.since)}`;
  const paused = watch.isPaused ? "  PAUSED" : "";
  const how = `${printable(watch.source.url)}${age}  last ${window}, by ${sort}${paused}`;
  const history = picture?.stats.total.history ?? [];
  const trouble = problem === "" ? "" : `Trying again: ${printable(problem)}`;
  return [
    line("what", h(Text, { bold: true }, " sluice top "), ` ${how}`),
    line("totals", picture === null ? " …" : ` ${totalsText(picture.stats, window)}`),
    trouble === ""
      ? line("bars", ` ${sparkline(history, Math.min(history.length, Math.max(columns - 2, 0)))}`)
      : line("bars", h(Text, { ...palette.bad }, ` ${trouble}`)),
  ];
}

function lists(picture: Picture, state: TopState, columns: number, room: number): ReactElement[] {
  if (state.view !== "all") return list(picture, state.view, state, columns, room);
  const names = SECTIONS.filter((name) => rowsOf(picture, name) > 0);
  const shares = shareOut(
    names.map((name) => rowsOf(picture, name) + ROWS_OF_SECTION),
    room,
  );
  return names.flatMap((name, i) => list(picture, name, { ...state, first: 0 }, columns, shares[i] ?? 0));
}

/** Everybody gets what he wants as long as that is no more than an equal share of what is left. */
export function shareOut(wants: readonly number[], room: number): number[] {
  const shares = wants.map(() => 0);
  const order = wants.map((_, i) => i).sort((a, b) => wants[a]! - wants[b]!);
  let left = room;
  for (const [done, i] of order.entries()) {
    shares[i] = Math.min(wants[i]!, Math.floor(left / (order.length - done)));
    left -= shares[i];
  }
  return shares;
}

function list(
  picture: Picture,
  name: SectionName,
  { sort, window, first }: TopState,
  columns: number,
  rows: number,
): ReactElement[] {
  // Where there is no room for a row, a title says nothing either.
  if (rows <= ROWS_OF_SECTION) return [];
  const most = rows - ROWS_OF_SECTION;
  const options = { window, sort, width: Math.max(columns - 2, 1) };
  const [heading = "", ...lines] = sectionLines(picture, name, options, { first, most });
  const count = rowsOf(picture, name);
  const shown = lines.length < count ? `, ${first + 1} to ${first + lines.length}` : "";
  return [
    h(Box, { key: `${name} title` }, rule(`${name} ${count}${shown}`, columns)),
    line(`${name} heading`, h(Text, { dimColor: true }, ` ${heading}`)),
    ...lines.map((text, i) => line(`${name} ${i}`, ` ${text}`)),
  ];
}
