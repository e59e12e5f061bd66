import { Box, Text } from "ink";
import { createElement as h, type ReactElement } from "react";
import { isModeToxic } from "../../chaos/modes.ts";
import type { MeteredConnection } from "../connection-meter.ts";
import { sparkline } from "../sparkline.ts";
import { type Column, formatTable } from "../table.ts";
import { formatAge, formatBytes, formatRate, printable } from "../units.ts";
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
  const text = { align: "left", cut: "end", least: 0 } as const;
  const address = { ...text, cut: "start", most: 24 } as const;
  const number = { align: "right", cut: "end", least: 7, most: 9 } as const;
  return [
    { ...address, title: "client", rank: 0, cells: connections.map(({ client }) => addressText(client)) },
    {
      ...address,
      title: "upstream",
      rank: 4,
      cells: connections.map(({ upstream }) => addressText(upstream)),
    },
    { ...number, title: "up", rank: 1, cells: connections.map(({ bytesUp }) => formatBytes(bytesUp)) },
    { ...number, title: "down", rank: 1, cells: connections.map(({ bytesDown }) => formatBytes(bytesDown)) },
    { ...number, title: "rate", least: 9, rank: 2, cells: connections.map(({ rate }) => formatRate(rate)) },
    {
      ...text,
      title: "",
      rank: 5,
      least: SPARKLINE,
      most: SPARKLINE,
      cells: connections.map(({ history }) => sparkline(history, SPARKLINE)),
    },
    { ...number, title: "age", least: 5, rank: 3, cells: connections.map(({ age }) => formatAge(age)) },
    {
      ...text,
      title: "toxics",
      rank: 3,
      most: 40,
      cells: connections.map(({ toxics }) =>
        printable(toxics.filter((name) => !isModeToxic(name)).join(" ")),
      ),
    },
  ];
}

/** A Unix socket's client has no address. */
function addressText(address: string): string {
  return address === "" ? "–" : printable(address);
}
