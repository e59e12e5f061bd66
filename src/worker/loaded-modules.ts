import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { sep } from "node:path";
import { fileURLToPath } from "node:url";

/** A file that a program's imports led to, as it was when it was loaded. Plain data. */
export interface LoadedModule {
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of its bytes, in hexadecimal digits. */
  readonly digest: string;
}

/** Our own modules are no program's. */
const OWN_FOLDER: string = fileURLToPath(new URL("..", import.meta.url));

/** Packages are exchanged as a whole, and hardly while something runs. */
const PACKAGES = `${sep}node_modules${sep}`;

const loaded = new Map<string, LoadedModule>();

/** Notes the file that a module of this thread is about to be loaded from. */
export function noteModule(url: string): void {
  if (!url.startsWith("file:")) return;
  const path = fileURLToPath(url);
  if (loaded.has(path) || path.startsWith(OWN_FOLDER) || path.includes(PACKAGES)) return;
  try {
    loaded.set(path, { path, digest: digestOf(readFileSync(path)) });
  } catch {
    // Whoever loads it says so with more to tell.
  }
}

/** The files that programs and toxics of this thread were loaded from, without packages. */
export function loadedModules(): LoadedModule[] {
  return [...loaded.values()];
}

/** Those whose files have other contents now, or are gone. */
export async function changedModules(modules: readonly LoadedModule[]): Promise<LoadedModule[]> {
  const isChanged = await Promise.all(
    modules.map(async ({ path, digest }) => {
      const bytes = await readFile(path).catch(() => null);
      return bytes === null || digestOf(bytes) !== digest;
    }),
  );
  return modules.filter((_, i) => isChanged[i]);
}

function digestOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
