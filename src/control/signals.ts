import type { Logger } from "pino";
import type { Running } from "./running.ts";

/**
 * Waits for the signal that ends the process and ends it that way: SIGTERM lets requests finish, SIGINT stops at once,
 * a second signal of either kind doesn't wait any longer.
 * @param grace milliseconds that SIGTERM gives to requests under way
 */
export async function runUntilSignal(running: Running, grace: number, log: Logger): Promise<void> {
  const signal = await nextSignal();
  const second = nextSignal();
  if (signal === "SIGINT") {
    log.info("Stopping");
    await running.stop();
    return;
  }
  log.info({ grace_ms: grace }, "Draining");
  await Promise.race([running.drain(grace), second.then(() => running.stop())]);
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
