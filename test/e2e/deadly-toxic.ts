import type { TemporaryDirectory } from "../kit/files.ts";

/** A toxic that ends its thread with the first bytes it gets. */
const DEADLY = `
  import { defineToxic, Toxic } from "${new URL("../../src/index.ts", import.meta.url).href}";
  class Deadly extends Toxic {
    take() { process.exit(7); }
  }
  export default defineToxic({
    name: "deadly", about: "ends its thread", attributes: {}, links: ["bytes"],
    create: (site, attributes) => new Deadly(site, attributes),
  });
`;

/** Writes the module of a toxic `deadly`, which ends its thread; its path. */
export function writeDeadlyToxic(directory: TemporaryDirectory): Promise<string> {
  return directory.write("deadly.ts", DEADLY);
}
