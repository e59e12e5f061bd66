/** A plugin as a configuration describes it. Plain data. */
export interface PluginSettings {
  /** What listeners and routes call it by. */
  readonly name: string;
  /** The file, as it is found from the working directory. Its ending says what it is. */
  readonly path: string;
  /** What the plugin is told when it begins, as JSON. */
  readonly config: string;
  /** Whether it runs in a process of its own. */
  readonly isolate: PluginIsolation;
  /** Milliseconds that its process may take for an answer, where it has one. */
  readonly timeout: number;
  /** Whether it is named where only bytes come by: one that looks at nothing but heads of requests would do nothing there. */
  readonly mustTransform: boolean;
}

/** Milliseconds. */
export const ANSWER_TIMEOUT = 5_000;

export const PLUGIN_ISOLATIONS = ["none", "process"] as const;

export type PluginIsolation = (typeof PLUGIN_ISOLATIONS)[number];

/** A plugin with a copy of its file that nobody changes any more. Plain data. */
export interface PluginMaterial extends PluginSettings {
  /** The copy. */
  readonly file: string;
  /** Equal for files of the same content. */
  readonly digest: string;
}

/** What plugins are, by the endings of their files. */
export const PLUGIN_KINDS: ReadonlyMap<string, "native" | "wasm"> = new Map([
  [".so", "native"],
  [".dylib", "native"],
  [".wasm", "wasm"],
]);

/** Whether both are the same to whoever uses them. */
export function isSamePlugin(a: PluginMaterial, b: PluginMaterial): boolean {
  return a.digest === b.digest && isSameSettings(a, b);
}

/** The same, whatever their files have in them. */
export function isSameSettings(a: PluginSettings, b: PluginSettings): boolean {
  const isSameCode = a.path === b.path && a.config === b.config && a.isolate === b.isolate;
  return isSameCode && a.timeout === b.timeout && a.mustTransform === b.mustTransform;
}
