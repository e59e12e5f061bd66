import { type Instance, render } from "ink";
import { createElement as h } from "react";
import { threadAlarms } from "../base/alarms.ts";
import type { Steering } from "../control/steering.ts";
import { Controls } from "./controls.ts";
import { createPalette } from "./palette.ts";
import { Application } from "./views/application.ts";
import { Watch } from "./watch.ts";

export interface InterfaceOptions {
  readonly steering: Steering;
  /** The name of the proxy that is shown first. */
  readonly proxy: string;
  /** Terminals, both of them. */
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly isColoured: boolean;
}

/** The interface while it is on the screen. */
export interface Interface {
  /** Kept when it is closed, whether from the keyboard or by `close`. Rejects when it couldn't draw any more. */
  readonly closed: Promise<void>;
  /** Gives the terminal back as it was. */
  close(): void;
}

/**
 * Takes the terminal over until the user quits. It is given back whatever happens: when the process exits, when it
 * fails, and on signals that nobody else listens for.
 */
export function openInterface({ steering, proxy, stdin, stdout, isColoured }: InterfaceOptions): Interface {
  const watch = new Watch({ steering, proxy, clock: threadAlarms });
  const controls = new Controls(watch, () => close());
  const instance = render(h(Application, { watch, controls, palette: createPalette(isColoured) }), {
    stdin,
    stdout,
    alternateScreen: true,
    incrementalRendering: true,
    // Ink thinks of terminals of CI systems as none; whoever opens the interface has looked.
    interactive: true,
    exitOnCtrlC: false,
  });
  const close = (): void => instance.unmount();
  const forget = restoreOnCrash(instance, stdin);
  const closed = instance.waitUntilExit().finally(() => {
    watch.stop();
    forget();
  });
  return { closed: closed.then(() => undefined), close };
}

/** Node prints an error that nobody caught before it ends: by then the user's own screen has to be back. */
function restoreOnCrash(instance: Instance, stdin: NodeJS.ReadStream): () => void {
  const restore = (): void => {
    instance.unmount();
    if (stdin.isTTY) stdin.setRawMode(false);
  };
  process.on("uncaughtExceptionMonitor", restore);
  return () => void process.off("uncaughtExceptionMonitor", restore);
}
