import type { ListenerSettings } from "../config/snapshot.ts";
import type { SwitchedFault } from "../worker/orders.ts";

/** The faults on the routes of a listener, as its file has them: whether they are on. */
export function faultsInFile({ routes }: Pick<ListenerSettings, "routes">): SwitchedFault[] {
  return routes.flatMap(({ faults }) => faults.map(({ name, enabled }) => [name, enabled] as const));
}

/** What was switched stays, on faults that there still are and of which the file doesn't say something else. */
export function stillSwitched(
  switched: readonly SwitchedFault[],
  before: readonly SwitchedFault[],
  after: readonly SwitchedFault[],
): readonly SwitchedFault[] {
  const [known, next] = [new Map(before), new Map(after)];
  return switched.filter(([name]) => next.has(name) && known.get(name) === next.get(name));
}
