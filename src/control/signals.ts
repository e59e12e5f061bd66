import type { Logger } from "pino";
import { within } from "../base/within.ts";
import { Ending, type HowToEnd } from "./ending.ts";
import type { Running } from "./running.ts";

/** What is done when a signal comes. Nobody waits for it, and what goes wrong is its own to tell. */
type SignalAction = (ending: Ending) => void;

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

/** How a process that serves is to end. */
export interface EndTerms {
  /** Milliseconds that requests under way get when they may finish. */
  readonly grace: number;
  /** Milliseconds before they get them, in which it goes on as before: others may learn first that it will end. Default 0. */
  readonly delay?: number;
  /** What else is asked for by signals. */
  readonly signals?: SignalTable;
  /** By which others than signals may end it, too. */
  readonly ending?: Ending;
  /** Hears of the end when it begins. */
  readonly onEnd?: (how: HowToEnd) => void;
}

/** Waits for what ends the process and ends it that way. */
export async function runUntilSignal(running: Running, terms: EndTerms, log: Logger): Promise<void> {
  const { signals = {}, ending = new Ending(), onEnd } = terms;
  hearSignals({ ...signals, ...ENDS }, ending);
  const how = await ending.wanted;
  // They may have become others while it ran.
  const { grace, delay = 0 } = terms;
  onEnd?.(how);
  if (how === "stop") {
    log.info("Stopping");
    await running.stop();
    return;
  }
  if (how === "drain" && delay > 0) {
    log.info({ delay_ms: delay }, "Going on until others know of the end");
    await within(delay, ending.hurried);
  }
  log.info({ grace_ms: grace }, "Draining");
  using _ = tellWhatIsLeft(running, log);
  const end = how === "handover" ? running.retire(grace) : running.drain(grace);
  await Promise.race([end, ending.hurried.then(() => running.stop())]);
}

/** Milliseconds between two lines. */
const PERIOD = 5_000;

/** Says now and then what the end waits for, until it is disposed of. */
function tellWhatIsLeft(running: Running, log: Logger): Disposable {
  const timer = setInterval(() => {
    const { connectionsOpen: connections, tunnelsActive: tunnels } = running.counters;
    log.info({ connections, tunnels }, "Draining: some connections are left");
  }, PERIOD);
  return { [Symbol.dispose]: () => clearInterval(timer) };
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
