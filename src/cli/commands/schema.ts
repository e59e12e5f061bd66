import type { Command } from "commander";
import { configSchema } from "../../config/json-schema.ts";

/** `sluice schema`: the JSON Schema of the configuration, for editors. */
export function addSchema(program: Command): void {
  program
    .command("schema")
    .description("print the JSON Schema of the configuration, for editors that complete and check")
    .action(() => {
      process.stdout.write(`${JSON.stringify(configSchema(), null, 2)}\n`);
    });
}
