import { Box, useInput, useWindowSize } from "ink";
import { createElement as h, type ReactElement, useSyncExternalStore } from "react";
import type { Controls } from "../controls.ts";
import { keysOf } from "../keys.ts";
import { layOut } from "../layout.ts";
import type { Palette } from "../palette.ts";
import type { Watch } from "../watch.ts";
import { ConnectionTable } from "./connection-table.ts";
import { EventList } from "./event-list.ts";
import { Head } from "./head.ts";
import { KeyLine } from "./key-line.ts";
import { ModePanel } from "./mode-panel.ts";
import { subscribeTo } from "./subscribe.ts";

export interface ApplicationProps {
  readonly watch: Watch;
  readonly controls: Controls;
  readonly palette: Palette;
}

/** The whole screen. */
export function Application({ watch, controls, palette }: ApplicationProps): ReactElement {
  const sight = useSyncExternalStore(subscribeTo(watch), () => watch.sight);
  const { menu, firstConnection } = useSyncExternalStore(subscribeTo(controls), () => controls.state);
  const { columns, rows } = useWindowSize();
  const layout = layOut(columns, rows);
  controls.pageLength = layout.connectionRows;
  useInput((input, key) => {
    for (const press of keysOf(input, key)) controls.press(press);
  });
  const areSeveral = sight.names.length > 1;
  const { connectionRows, eventRows, isRoomy } = layout;
  const lists = [
    h(ConnectionTable, {
      key: "connections",
      connections: sight.connections,
      first: firstConnection,
      rows: connectionRows,
      columns,
    }),
    h(EventList, { key: "events", events: sight.events, rows: eventRows, columns, palette, areSeveral }),
  ];
  return h(
    Box,
    { flexDirection: "column", width: columns, height: rows, overflow: "hidden" },
    h(Head, { sight, columns, palette }),
    h(ModePanel, { sight, menu, layout, palette }),
    ...(isRoomy ? lists : []),
    h(KeyLine, { menu, areSeveral }),
  );
}
