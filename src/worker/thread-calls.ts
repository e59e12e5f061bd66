import { BroadcastChannel } from "node:worker_threads";
import { reopenLogFiles } from "../base/log-files.ts";

/*
 * What concerns every thread, whatever it runs: those as well that only finish what they have, and to whom no orders are
 * given any more.
 */

const CHANNEL = "sluice threads";

type Call =
  | { readonly type: "reopenLogs" }
  /** What one of them couldn't do, in words. */
  | { readonly type: "problems"; readonly problems: readonly string[] };

/** Does what is called for, in a worker thread. */
export function hearCalls(): void {
  open((call, channel) => {
    if (call.type !== "reopenLogs") return;
    const problems = reopenLogFiles();
    if (problems.length > 0) channel.postMessage({ type: "problems", problems } satisfies Call);
  });
}

/** Calls all threads, from the main thread. */
export class ThreadCaller {
  readonly #channel: BroadcastChannel;

  /** @param onProblem hears of what a thread couldn't do, this one included */
  constructor(onProblem: (problem: string) => void) {
    this.#channel = open((call) => {
      if (call.type === "problems") for (const problem of call.problems) onProblem(problem);
    });
    this.#onProblem = onProblem;
  }

  readonly #onProblem: (problem: string) => void;

  /** Logs that were moved away are written anew. */
  reopenLogs(): void {
    for (const problem of reopenLogFiles()) this.#onProblem(problem);
    this.#channel.postMessage({ type: "reopenLogs" } satisfies Call);
  }

  close(): void {
    this.#channel.close();
  }
}

/** A channel that keeps no thread from ending. */
function open(hear: (call: Call, channel: BroadcastChannel) => void): BroadcastChannel {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (event) => hear((event as { readonly data: Call }).data, channel);
  (channel as unknown as { unref(): void }).unref();
  return channel;
}
