import { statSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { until } from "./deadline.ts";

/** A directory that is removed, with all that is in it, at the end of the scope. */
export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
  join(...parts: readonly string[]): string;
  /** Writes a file, makes the folders on the way, and returns its whole path. */
  write(name: string, content: string | Uint8Array): Promise<string>;
}

export async function createTemporaryDirectory(): Promise<TemporaryDirectory> {
  const path = await mkdtemp(join(tmpdir(), "sluice-test-"));
  return {
    path,
    join: (...parts) => join(path, ...parts),
    async write(name, content) {
      const file = join(path, name);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
      return file;
    },
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  };
}

/** Waits until a file that others write to says something. */
export async function untilWritten(path: string, what: RegExp): Promise<void> {
  await until(`${what} stands in ${path}`, async () => what.test(await readFile(path, "utf8")));
}

/** Whether every user may read what is in a folder. */
export function isOpenToAll(path: string): boolean {
  const isOpen = (statSync(path).mode & 0o005) === 0o005;
  return isOpen && (path === "/" || isOpenToAll(dirname(path)));
}
