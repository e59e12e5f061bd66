import type { Faults } from "../chaos/faults.ts";

/** What it is to a connection that one of its proxy's toxics ends it. */
export function kindOfCut(
  faults: Faults | null,
  toxic: string,
  isReset: boolean,
): "reset" | "timeout" | "closed" {
  if (isReset) return "reset";
  const type = faults?.toxics.find(({ name }) => name === toxic)?.type ?? "";
  return /timeout|idle/.test(type) ? "timeout" : "closed";
}
