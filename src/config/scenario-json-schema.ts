import type { ToxicRegistry } from "../chaos/registry.ts";
import { editorSchema, type JsonSchema } from "./json-schema.ts";
import { ToxicKinds } from "./scenario-kinds.ts";
import { scenarioSchema } from "./scenario-schema.ts";

/** The JSON Schema of scenarios, for editors: `sluice schema --scenario` prints it. */
export function scenarioJsonSchema(registry: ToxicRegistry): JsonSchema {
  return editorSchema(scenarioSchema(new ToxicKinds(registry, null)), "Scenario of Sluice");
}
