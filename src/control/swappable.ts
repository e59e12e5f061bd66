import { isDeepStrictEqual } from "node:util";
import { changedModules, type LoadedModule } from "../worker/loaded-modules.ts";
import type { RunSpec } from "../worker/run-spec.ts";

/** What a thread can exchange while it runs. Whatever else there is takes a new one. */
const EXCHANGEABLE: ReadonlySet<keyof RunSpec> = new Set<keyof RunSpec>([
  "snapshot",
  "accessLog",
  "errorLog",
  "instance",
]);

/**
 * Whether threads that run the one can go on with the other: where the code is the same.
 * @param modules what their program and filters were loaded from
 */
export async function isSwap(
  before: RunSpec,
  after: RunSpec,
  modules: readonly LoadedModule[],
): Promise<boolean> {
  // A program's phases run on the listeners of a configuration, or on its own.
  const isProgramAlone = (spec: RunSpec): boolean => spec.program !== null && spec.snapshot === null;
  if (isProgramAlone(before) !== isProgramAlone(after)) return false;
  if (!isDeepStrictEqual(lasting(before), lasting(after))) return false;
  if (!isDeepStrictEqual(filterModules(before), filterModules(after))) return false;
  return (await changedModules(modules)).length === 0;
}

/** Modules of filters are loaded as a thread begins, so that it is known what all of its code was loaded from. */
function filterModules({ snapshot }: RunSpec): ReadonlySet<string> {
  return new Set((snapshot?.filters ?? []).map(({ module }) => module));
}

function lasting(spec: RunSpec): object {
  const entries = Object.entries(spec).filter(([name]) => !EXCHANGEABLE.has(name as keyof RunSpec));
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
