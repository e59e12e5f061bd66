import type { Plan } from "./plan.ts";

/** How requests ended; all of these but the last are in order. */
export type Outcome =
  /** The answer that was asked for, every byte of it. */
  | "intact"
  /** 502 or 504 where the origin had broken off. */
  | "refused"
  /** 502 where the origin closed an idle connection under a request that must not be repeated. */
  | "raced"
  /** Visibly cut where the origin had broken off in the body. */
  | "cut"
  /** The client itself left. */
  | "left"
  /** Was sent behind a request with which the connection ended. */
  | "unanswered"
  | "wrong";

export interface Counts {
  started: number;
  connections: number;
  outcomes: Record<Outcome, number>;
  bodyBytes: number;
  violations: number;
}

/** How many violations are told in full. */
const toldInFull = 40;

/** What came of the requests, and what should not have. */
export class Ledger {
  readonly counts: Counts = {
    started: 0,
    connections: 0,
    outcomes: { intact: 0, refused: 0, raced: 0, cut: 0, left: 0, unanswered: 0, wrong: 0 },
    bodyBytes: 0,
    violations: 0,
  };
  readonly #tell: (text: string) => void;

  /** @param tell gets the violations, but no more of them than anybody would read */
  constructor(tell: (text: string) => void) {
    this.#tell = tell;
  }

  settle(outcome: Outcome): void {
    this.counts.outcomes[outcome]++;
  }

  violation(text: string, plan: Plan | null): void {
    this.counts.violations++;
    if (this.counts.violations > toldInFull) return;
    this.#tell(plan === null ? text : `${text}; the plan was ${JSON.stringify(plan)}`);
  }
}
