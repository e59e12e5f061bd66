import type { ServerInit } from "../server.ts";
import type { DiscoveryListener } from "./discovery.ts";

/** Servers with all that is known of them, and what was wrong with others: a line for people each. */
export interface FoundServers {
  readonly servers: readonly Required<ServerInit>[];
  readonly problems: readonly string[];
}

/** Problems that are told at once: a list that is wrong as a whole shouldn't fill the log. */
const MOST_PROBLEMS = 3;

/** Tells a listener what is new, and only that. */
export class ServerNews {
  readonly #where: string;
  #listener: DiscoveryListener | null = null;
  /** The servers that were told last, as a text to compare. */
  #known = "";
  /** What was said last, unless all has been well since. */
  #message: string | null = null;

  /** @param where the file, name or URL that all this comes from, for people */
  constructor(where: string) {
    this.#where = where;
  }

  listen(listener: DiscoveryListener): void {
    this.#listener = listener;
  }

  /** The listener hears nothing more. */
  stop(): void {
    this.#listener = null;
  }

  /** No server at all is never what somebody wants, so it is an error and what is known stays. */
  found({ servers, problems }: FoundServers): void {
    if (servers.length === 0) {
      this.failed(problems.length === 0 ? "there is no server in it" : summarize(problems));
      return;
    }
    this.#tellServers(servers, problems.length === 0);
    if (problems.length > 0) this.failed(summarize(problems));
  }

  failed(problem: string): void {
    const message = `${this.#where}: ${problem}`;
    if (message === this.#message) return;
    this.#message = message;
    this.#listener?.onError(message);
  }

  #tellServers(servers: readonly Required<ServerInit>[], isWell: boolean): void {
    const ordered = servers.toSorted(byPriorityAndAddress);
    const known = JSON.stringify(ordered);
    if (known === this.#known && !(isWell && this.#message !== null)) return;
    this.#known = known;
    this.#message = null;
    this.#listener?.onServers(ordered);
  }
}

function summarize(problems: readonly string[]): string {
  const told = problems.slice(0, MOST_PROBLEMS).join("; ");
  const rest = problems.length - MOST_PROBLEMS;
  return rest > 0 ? `${told}; and ${rest} more` : told;
}

function byPriorityAndAddress(a: ServerInit, b: ServerInit): number {
  return (a.priority ?? 0) - (b.priority ?? 0) || (a.address < b.address ? -1 : 1);
}
