import { basename, extname } from "node:path";
import type { ToxicRegistry } from "../chaos/registry.ts";
import { ConfigError } from "./config-error.ts";
import type { Environment } from "./environment.ts";
import { toConfigError, toFindings } from "./issues.ts";
import { readText } from "./read-text.ts";
import type { Scenario } from "./scenario.ts";
import { ToxicKinds } from "./scenario-kinds.ts";
import { scenarioSchema } from "./scenario-schema.ts";
import { SourceDocument } from "./source-document.ts";

/**
 * Reads a scenario.
 * @param registry the toxics there are
 * @throws ConfigError with everything that is wrong
 */
export function loadScenario(path: string, env: Environment, registry: ToxicRegistry): Scenario {
  return parseScenario(readText(path), path, env, registry);
}

/**
 * Reads a scenario from its text.
 * @param fileName what problems are reported with
 * @throws ConfigError with everything that is wrong
 */
export function parseScenario(
  text: string,
  fileName: string,
  env: Environment,
  registry: ToxicRegistry,
): Scenario {
  const source = new SourceDocument(text, fileName, env);
  if (source.problems.length > 0) throw new ConfigError(source.problems);
  const document = source.toValue();
  const parsed = scenarioSchema(new ToxicKinds(registry, document)).safeParse(document);
  if (!parsed.success) throw toConfigError(toFindings(parsed.error.issues, document), source);
  const { name = basename(fileName, extname(fileName)), steps, ...rest } = parsed.data;
  const placed = steps.map((step, i) => {
    const { line } = source.locate({ path: ["steps", i], message: "" });
    return { ...step, line };
  });
  return { ...rest, name, steps: placed };
}
