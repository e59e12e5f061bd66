import type { Kind, TestCase } from "./catalogue.ts";

/** What the suite's client writes for a test: that it passed, or the kind of failure and what it was. */
export type WrittenResult = true | false | readonly [kind: string, message: string];

/** What it writes in all, by test. */
export type WrittenResults = Readonly<Record<string, WrittenResult>>;

/**
 * How a test came out. Besides passed and failed: its preparation failed, the proxy repeated a request, nothing came in time,
 * a test that it depends on has not passed, or it was not run.
 */
export type Outcome = "pass" | "fail" | "setup" | "retry" | "timeout" | "dependency" | "untested";

/** How one proxy did. */
export interface Verdicts {
  readonly proxy: string;
  readonly version: string;
  /** Of every test of the catalogue. */
  readonly outcomes: ReadonlyMap<string, Outcome>;
  /** What was found instead of what was expected, where something was. */
  readonly complaints: ReadonlyMap<string, string>;
}

/**
 * Of several runs the best of each test: a busy machine makes some fail that count seconds, or whose connection was just
 * being closed.
 */
export function bestOf(runs: readonly WrittenResults[]): WrittenResults {
  const best: Record<string, WrittenResult> = {};
  for (const results of runs) {
    for (const [id, result] of Object.entries(results)) if (best[id] !== true) best[id] = result;
  }
  return best;
}

export function judge(
  { proxy, version }: Pick<Verdicts, "proxy" | "version">,
  tests: readonly TestCase[],
  results: WrittenResults,
): Verdicts {
  const byId = new Map(tests.map((test) => [test.id, test]));
  const outcomes = new Map<string, Outcome>();
  const complaints = new Map<string, string>();
  const outcomeOf = (id: string): Outcome => {
    const known = outcomes.get(id);
    if (known !== undefined) return known;
    const failed = (byId.get(id)?.dependsOn ?? []).some((needed) => outcomeOf(needed) !== "pass");
    const found = results[id] !== undefined && failed ? "dependency" : ownOutcome(results[id]);
    outcomes.set(id, found);
    return found;
  };
  for (const { id } of tests) {
    outcomeOf(id);
    const result = results[id];
    if (typeof result === "object") complaints.set(id, result[1]);
  }
  return { proxy, version, outcomes, complaints };
}

function ownOutcome(result: WrittenResult | undefined): Outcome {
  if (result === undefined) return "untested";
  if (result === true) return "pass";
  if (result === false) return "timeout";
  const [kind, message] = result;
  if (kind === "Setup") return message === "retry" ? "retry" : "setup";
  return kind === "AbortError" || kind === "TimeoutError" ? "timeout" : "fail";
}

/** The tests of a kind that passed. */
export function passed({ outcomes }: Verdicts, tests: readonly TestCase[], kind: Kind): readonly TestCase[] {
  return tests.filter((test) => test.kind === kind && outcomes.get(test.id) === "pass");
}

/** The others, whatever became of them. */
export function missed({ outcomes }: Verdicts, tests: readonly TestCase[], kind: Kind): readonly TestCase[] {
  return tests.filter((test) => test.kind === kind && outcomes.get(test.id) !== "pass");
}
