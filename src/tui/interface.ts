import { createElement as h } from "react";
import { threadAlarms } from "../base/alarms.ts";
import type { Steering } from "../control/steering.ts";
import { Controls } from "./controls.ts";
import { createPalette } from "./palette.ts";
import { openScreen, type Screen, type Terminal } from "./screen.ts";
import { Application } from "./views/application.ts";
import { Watch } from "./watch.ts";

export interface InterfaceOptions extends Terminal {
  readonly steering: Steering;
  /** The name of the proxy that is shown first. */
  readonly proxy: string;
  readonly isColoured: boolean;
}

/** Shows a proxy and takes orders for it until the user quits. */
export function openInterface({ steering, proxy, isColoured, ...terminal }: InterfaceOptions): Screen {
  const watch = new Watch({ steering, proxy, clock: threadAlarms });
  const controls = new Controls(watch, () => screen.close());
  const application = h(Application, { watch, controls, palette: createPalette(isColoured) });
  const screen = openScreen(application, terminal, () => watch.stop());
  return screen;
}
