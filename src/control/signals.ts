import type { Logger } from "pino";
import { Ending } from "./ending.ts";
import type { Running } from "./running.ts";

/** What is done when a signal comes. Nobody waits for it, and what goes wrong is its own to tell. */
export type SignalAction = (ending: Ending) => void;

/** What signals ask for. One that isn't in it does what the system makes of it. */
export type SignalTable = Readonly<Partial<Record<NodeJS.Signals, SignalAction>>>;

/**
 * What ends every process that serves: SIGTERM lets requests finish, SIGINT stops at once. What others ask for depends on
 * what is served, and is put beside these by who serves it.
 */
const ENDS: SignalTable = {
  SIGINT: (ending) => ending.want("stop"),
  SIGTERM: (ending) => ending.want("drain"),
};

/**
 * Waits for what ends the process and ends it that way.
 * @param grace milliseconds that requests under way get when they may finish
 */
export async function runUntilSignal(
  running: Running,
  grace: number,
  log: Logger,
  others: SignalTable = {},
): Promise<void> {
  const ending = new Ending();
  hearSignals({ ...others, ...ENDS }, ending);
  const how = await ending.wanted;
  if (how === "stop") {
    log.info("Stopping");
    await running.stop();
    return;
  }
  log.info({ grace_ms: grace }, "Draining");
  await Promise.race([running.drain(grace), ending.hurried.then(() => running.stop())]);
}

/** Takes signals until the process ends: one that comes while it does must not end it in the system's way. */
function hearSignals(table: SignalTable, ending: Ending): void {
  for (const [signal, action] of Object.entries(table)) process.on(signal, () => action(ending));
}

/** Resolves with the next SIGTERM or SIGINT, which is thereby taken. */
export function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const onSignal = (signal: NodeJS.Signals): void => {
      process.off("SIGTERM", onSignal);
      process.off("SIGINT", onSignal);
      resolve(signal);
    };
    process.on("SIGTERM", onSignal);
    process.on("SIGINT", onSignal);
  });
}
