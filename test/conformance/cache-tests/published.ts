import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { TestCase } from "./catalogue.ts";
import type { Suite } from "./suite.ts";
import { judge, type Verdicts, type WrittenResults } from "./verdicts.ts";

interface WrittenEntry {
  readonly file: string;
  readonly name: string;
  readonly type: string;
  readonly version: string;
}

/** What the authors of the suite have measured: their results of reverse proxies, in their order. */
export async function readPublished(
  { folder }: Suite,
  tests: readonly TestCase[],
): Promise<readonly Verdicts[]> {
  const address = pathToFileURL(join(folder, "results", "index.mjs")).href;
  const { default: entries } = (await import(address)) as { default: readonly WrittenEntry[] };
  const proxies = entries.filter(({ type }) => type === "rev-proxy");
  return await Promise.all(
    proxies.map(async ({ file, name, version }) => {
      const text = await readFile(join(folder, "results", file), "utf8");
      return judge({ proxy: name, version }, tests, JSON.parse(text) as WrittenResults);
    }),
  );
}
