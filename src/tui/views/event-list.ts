import { Box, Text } from "ink";
import { createElement as h, type ReactElement } from "react";
import type { LogLine } from "../event-log.ts";
import type { Paint, Palette } from "../palette.ts";
import { formatTime, printable } from "../units.ts";
import { line, rule } from "./parts.ts";

export interface EventListProps {
  readonly events: readonly LogLine[];
  readonly rows: number;
  readonly columns: number;
  readonly palette: Palette;
  /** With several proxies each line tells which one it is about. */
  readonly areSeveral: boolean;
}

/** The last things that happened, the newest at the bottom. */
export function EventList({ events, rows, columns, palette, areSeveral }: EventListProps): ReactElement {
  const first = Math.max(events.length - rows, 0);
  return h(
    Box,
    { flexDirection: "column", flexShrink: 0, height: rows + 1 },
    rule("Events", columns),
    ...events.slice(first).map((event, i) => eventLine(String(i), event, palette, areSeveral)),
  );
}

const KIND_WIDTH = "connect-failed".length;

function eventLine(key: string, event: LogLine, palette: Palette, areSeveral: boolean): ReactElement {
  const { kind, proxy, time, client, detail } = event;
  const words = [...(areSeveral ? [printable(proxy)] : []), client, detail].filter((word) => word !== "");
  return line(
    key,
    h(Text, { key: "time", dimColor: true }, ` ${formatTime(time)} `),
    h(Text, { key: "kind", ...paintOfKind(kind, palette) }, kind.padEnd(KIND_WIDTH)),
    ` ${words.join("  ")}`,
  );
}

function paintOfKind(kind: LogLine["kind"], palette: Palette): Paint {
  switch (kind) {
    case "opened":
    case "closed":
      return {};
    case "done":
      return palette.accent;
    case "timeout":
      return palette.warning;
    default:
      return palette.bad;
  }
}
