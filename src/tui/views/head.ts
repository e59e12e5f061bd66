import { Box, Text } from "ink";
import { createElement as h, type ReactElement } from "react";
import type { Mode } from "../../chaos/mode.ts";
import type { ProxyState } from "../../control/steering.ts";
import type { Flow } from "../connection-meter.ts";
import { describeMode } from "../modes.ts";
import type { Paint, Palette } from "../palette.ts";
import { sparkline } from "../sparkline.ts";
import { formatRate, printable } from "../units.ts";
import type { Sight } from "../watch.ts";
import { line } from "./parts.ts";

export interface HeadProps {
  readonly sight: Sight;
  readonly columns: number;
  readonly palette: Palette;
}

/** Which proxy it is, what it does, and what passes. */
export function Head({ sight, columns, palette }: HeadProps): ReactElement {
  const { proxy } = sight;
  const mode = proxy === null ? "" : ` ${describeMode(proxy.mode)} `;
  return h(
    Box,
    { flexDirection: "column" },
    h(
      Box,
      { justifyContent: "space-between", gap: 1 },
      line("what", h(Text, { bold: true }, " sluice "), proxy === null ? "" : describeWay(proxy)),
      h(Text, { wrap: "truncate-end", ...palette.warning }, describeState(sight)),
    ),
    line(
      "mode",
      h(Text, { bold: true, inverse: true, ...(proxy === null ? {} : paintOf(proxy.mode, palette)) }, mode),
      describeFlows(sight, columns - mode.length),
    ),
  );
}

function describeWay({ protocol, listen, upstream }: ProxyState): string {
  const to = upstream === "" ? "" : ` → ${upstream.replaceAll(",", ", ")}`;
  return printable(`${protocol} ${listen}${to}`);
}

/** What is out of the ordinary. */
function describeState({ proxy, names }: Sight): string {
  if (proxy === null) return "the proxy is gone ";
  const disabled = proxy.enabled ? [] : ["disabled"];
  const place =
    names.length > 1 ? [`${printable(proxy.name)} (${names.indexOf(proxy.name) + 1}/${names.length})`] : [];
  return [...disabled, ...place, ""].join(" ");
}

export function paintOf({ kind }: Mode, palette: Palette): Paint {
  if (kind === "allow") return palette.good;
  return kind === "deny" ? palette.bad : palette.warning;
}

/** `  ↑ 12.3 MB/s ` twice. */
const FLOW_WIDTH = 14;
const NARROWEST_SPARKLINE = 4;
const WIDEST_SPARKLINE = 40;

function describeFlows({ up, down }: Sight, columns: number): string {
  const room = Math.floor((columns - 2 * FLOW_WIDTH) / 2);
  const width = room < NARROWEST_SPARKLINE ? 0 : Math.min(room, WIDEST_SPARKLINE);
  return `  ↑ ${describeFlow(up, width)}  ↓ ${describeFlow(down, width)}`;
}

function describeFlow({ rate, history }: Flow, width: number): string {
  return `${formatRate(rate).padStart(9)} ${sparkline(history, width)}`;
}
