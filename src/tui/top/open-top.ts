import { createElement as h } from "react";
import { threadAlarms } from "../../base/alarms.ts";
import { createPalette } from "../palette.ts";
import { openScreen, type Screen, type Terminal } from "../screen.ts";
import { TopScreen } from "../views/top-screen.ts";
import type { StatsSource, WindowName } from "./stats.ts";
import { TopControls } from "./top-controls.ts";
import { TopWatch } from "./top-watch.ts";

export interface TopOptions extends Terminal {
  readonly source: StatsSource;
  readonly isColoured: boolean;
  /** How far back is looked at first. */
  readonly window: WindowName;
}

/** Shows what passes a running process until the user quits. */
export function openTop({ source, isColoured, window, ...terminal }: TopOptions): Screen {
  const watch = new TopWatch(source, threadAlarms);
  const controls = new TopControls(watch, window, () => screen.close());
  const top = h(TopScreen, { watch, controls, palette: createPalette(isColoured) });
  const screen = openScreen(top, terminal, () => watch.stop());
  return screen;
}
