/**
 * The shape of the source tree, as data. Who changes the order of the layers says why in docs/architecture.md.
 */
export interface Rules {
  /** Groups of folders of src/, from the bottom up: each may import what stands before it, never a sibling. */
  readonly layers: readonly (readonly string[])[];
  /** The public interface: it may import every layer, and no layer imports it. */
  readonly publicEntry: string;
  /** Files outside src/ that a source may import. */
  readonly sharedFiles: readonly string[];
  /** The folder that alone reads argv and prints. */
  readonly commandLine: string;
  readonly maxLines: number;
  /** Tables, which no reader minds to be long. */
  readonly longTables: readonly string[];
}

export const rules: Rules = {
  layers: [
    ["base"],
    ["net", "http"],
    ["http1", "http2"],
    ["upstream", "cache", "limits", "chaos", "plugins"],
    ["proxy"],
    ["filters"],
    ["config"],
    ["observe"],
    ["worker"],
    ["control"],
    ["admin"],
    ["tui"],
    ["cli"],
  ],
  publicEntry: "src/index.ts",
  sharedFiles: ["package.json"],
  commandLine: "src/cli/",
  maxLines: 500,
  longTables: [],
};
