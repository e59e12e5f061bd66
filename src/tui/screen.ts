import { type Instance, render } from "ink";
import type { ReactElement } from "react";

/** Terminals, both of them. */
export interface Terminal {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
}

/** What has the screen for itself. */
export interface Screen {
  /** Kept when it is closed, whether from the keyboard or by `close`. Rejects when it couldn't draw any more. */
  readonly closed: Promise<void>;
  /** Gives the terminal back as it was. */
  close(): void;
}

/**
 * Takes the terminal over until it is closed. It is given back whatever happens: when the process exits, when it fails, and
 * on signals that nobody else listens for.
 * @param onClosed called once, before `closed` is kept
 */
export function openScreen(element: ReactElement, { stdin, stdout }: Terminal, onClosed: () => void): Screen {
  const instance = render(element, {
    stdin,
    stdout,
    alternateScreen: true,
    incrementalRendering: true,
    // Ink thinks of terminals of CI systems as none; whoever opens a screen has looked.
    interactive: true,
    exitOnCtrlC: false,
  });
  const forget = restoreOnCrash(instance, stdin);
  const closed = instance.waitUntilExit().finally(() => {
    onClosed();
    forget();
  });
  return { closed: closed.then(() => undefined), close: () => instance.unmount() };
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
