import { extname } from "node:path";
import * as z from "zod";
import {
  ANSWER_TIMEOUT,
  PLUGIN_ISOLATIONS,
  PLUGIN_KINDS,
  type PluginSettings,
} from "../../plugins/plugin-settings.ts";
import { refuse } from "../scenario-toxic.ts";
import { durationFrom } from "./units.ts";
import { choice, entryName, list, oneOf, parsedBy, section, text } from "./values.ts";

/** A plugin whose file is named as the document names it. */
export type PluginDraft = Omit<PluginSettings, "name" | "mustTransform">;

const ENDINGS = [...PLUGIN_KINDS.keys()].join(", ");
const PATH_EXPECTED = `a path of a file that ends in ${ENDINGS}`;

const path: z.ZodType<string> = parsedBy(text(PATH_EXPECTED), PATH_EXPECTED, (file) => {
  if (!PLUGIN_KINDS.has(extname(file))) throw new RangeError(`${JSON.stringify(file)} ends otherwise`);
  return file;
});

const settings = section(
  "Plugin",
  "Code in a shared library, or in WebAssembly, that traffic goes through.",
  {
    path: path.describe(
      "The file, from the folder of this document: a shared library (`.so`, `.dylib`) or a module of WebAssembly (`.wasm`). When it changes, the new one is loaded.",
    ),
    config: z
      .unknown()
      .optional()
      .describe("What the plugin is told when it begins: anything, as JSON. Default: `null`."),
    isolate: choice(PLUGIN_ISOLATIONS)
      .default("none")
      .describe(
        "`process`: the plugin runs in a process of its own, and what it does there to memory ends nothing else.",
      ),
    answer_timeout: durationFrom(1)
      .optional()
      .describe(
        "How long the process of a plugin may take for an answer until it is replaced, with `isolate: process`. Default: `5s`.",
      ),
  },
).transform(({ config, answer_timeout, ...rest }, context): PluginDraft => {
  if (answer_timeout !== undefined && rest.isolate !== "process")
    refuse(context, ["answer_timeout"], "isolate: process beside it", {
      reason: "a plugin without a process of its own can't be ended when it doesn't answer",
      atKey: true,
    });
  const timeout = answer_timeout ?? ANSWER_TIMEOUT;
  return { ...rest, config: JSON.stringify(config ?? null), timeout };
});

const EXPECTED = `${PATH_EXPECTED}, or a map with path`;

/** The plugins of a document by their names. */
export const namedPlugins: z.ZodType<Readonly<Record<string, PluginDraft>>> = z.record(
  entryName,
  oneOf(EXPECTED, [
    path.transform(
      (file): PluginDraft => ({ path: file, config: "null", isolate: "none", timeout: ANSWER_TIMEOUT }),
    ),
    settings,
  ]),
  { error: "a map of names to plugins" },
);

/** The plugins that a listener or a route names. */
export const pluginReferences: z.ZodType<readonly string[]> = list(
  text("the name of a plugin"),
  "a list of names of plugins",
);
