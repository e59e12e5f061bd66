import { type Command, Option } from "commander";
import { createRegistry } from "../../chaos/toxics/index.ts";
import { configSchema } from "../../config/json-schema.ts";
import { scenarioJsonSchema } from "../../config/scenario-json-schema.ts";

/** `sluice schema`: the JSON Schema of the configuration or of scenarios, for editors. */
export function addSchema(program: Command): void {
  program
    .command("schema")
    .description("print the JSON Schema of the configuration, for editors that complete and check")
    .addOption(new Option("--scenario", "that of scenarios for sluice chaos play"))
    .action(({ scenario = false }: { scenario?: boolean }) => {
      const schema = scenario ? scenarioJsonSchema(createRegistry()) : configSchema();
      process.stdout.write(`${JSON.stringify(schema, null, 2)}\n`);
    });
}
