import { Box, Text } from "ink";
import { createElement as h, type ReactElement } from "react";
import { isModeToxic } from "../../chaos/modes.ts";
import type { MeteredConnection } from "../connection-meter.ts";
import { sparkline } from "../sparkline.ts";
import { type Column, columnMaker, formatTable } from "../table.ts";
import { formatAge, formatBytes, formatRate } from "../units.ts";
import { line, rule } from "./parts.ts";

export interface ConnectionTableProps {
  readonly connections: readonly MeteredConnection[];
  /** The first that is shown. */
  readonly first: number;
  readonly rows: number;
  readonly columns: number;
}

/** The connections that are open. */
export function ConnectionTable({ connections, first, rows, columns }: ConnectionTableProps): ReactElement {
  // Connections may have gone since somebody scrolled.
  const start = Math.max(Math.min(first, connections.length - rows), 0);
  const shown = connections.slice(start, start + rows);
  const [head = "", ...lines] = formatTable(toColumns(shown), columns - 2);
  return h(
    Box,
    { flexDirection: "column", flexShrink: 0, height: rows + 2 },
    rule(describeCount(connections.length, start, shown.length), columns),
    line("head", h(Text, { dimColor: true }, ` ${head}`)),
    ...lines.map((text, i) => line(String(start + i), ` ${text}`)),
  );
}

function describeCount(count: number, start: number, shown: number): string {
  const range = shown < count ? `, ${start + 1} to ${start + shown}` : "";
  return `Connections ${count}${range}`;
}

const SPARKLINE = 6;

function toColumns(connections: readonly MeteredConnection[]): Column[] {
  const column = columnMaker(connections);
  const text = { align: "left", cut: "end", least: 0, most: 40, rank: 3 } as const;
  const address = { ...text, cut: "start", most: 24 } as const;
  const number = { align: "right", cut: "end", least: 7, most: 9, rank: 1 } as const;
  const bars = { ...text, least: SPARKLINE, most: SPARKLINE, rank: 5 } as const;
  return [
    column("client", { ...address, rank: 0 }, ({ client }) => addressText(client)),
    column("upstream", { ...address, rank: 4 }, ({ upstream }) => addressText(upstream)),
    column("up", number, ({ bytesUp }) => formatBytes(bytesUp)),
    column("down", number, ({ bytesDown }) => formatBytes(bytesDown)),
    column("rate", { ...number, least: 9, rank: 2 }, ({ rate }) => formatRate(rate)),
    column("", bars, ({ history }) => sparkline(history, SPARKLINE)),
    column("age", { ...number, least: 5, rank: 3 }, ({ age }) => formatAge(age)),
    column("toxics", text, ({ toxics }) => toxics.filter((name) => !isModeToxic(name)).join(" ")),
  ];
}

/** A Unix socket's client has no address. */
function addressText(address: string): string {
  return address === "" ? "–" : address;
}
