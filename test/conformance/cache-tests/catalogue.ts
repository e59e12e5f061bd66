import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Suite } from "./suite.ts";

/**
 * What a test is about: what a cache must do by the specifications, what it may do and is better for, or a behaviour that
 * is neither good nor bad and is only looked at.
 */
export type Kind = "required" | "optimal" | "check";

export const kinds: readonly Kind[] = ["required", "optimal", "check"];

/** One test of the suite. */
export interface TestCase {
  readonly id: string;
  /** What it demands, in one line. */
  readonly name: string;
  readonly kind: Kind;
  /** The part of the suite that it stands in. */
  readonly group: string;
  /** Tests without which it shows nothing. */
  readonly dependsOn: readonly string[];
}

/** As the suite writes it. */
interface WrittenGroup {
  readonly name: string;
  readonly tests: readonly {
    readonly id: string;
    readonly name: string;
    readonly kind?: Kind;
    readonly browser_only?: boolean;
    readonly depends_on?: readonly string[];
  }[];
}

/** All tests that concern a cache before servers, in the suite's order. */
export async function readCatalogue({ folder }: Suite): Promise<readonly TestCase[]> {
  const address = pathToFileURL(join(folder, "tests", "index.mjs")).href;
  const { default: groups } = (await import(address)) as { default: readonly WrittenGroup[] };
  return groups.flatMap(({ name: group, tests }) =>
    tests
      .filter((test) => test.browser_only !== true)
      .map(({ id, name, kind = "required", depends_on = [] }) => ({
        ...{ id, name, kind, group },
        dependsOn: depends_on,
      })),
  );
}
