import { lstat, mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isMissing } from "./file-calls.ts";
import { MARKER, UNDER_WAY } from "./file-names.ts";

/** What the marker says: whose the folder is, and how its files are read. */
const FORMAT = "Sluice cache, format 1\n";
/** What disks bring along. */
const HARMLESS = new Set(["lost+found"]);
const NAMES_TOLD = 3;

type FolderErrorCode =
  | "MISSING"
  | "NO_FOLDER"
  | "NOT_WRITABLE"
  | "OPEN_TO_OTHERS"
  | "FOREIGN_FILES"
  | "IN_USE"
  | "OTHER_FORMAT";

/** Why a folder can't be a cache's. Its message names it, and says what is to be done. */
export class DiskFolderError extends Error {
  override readonly name = "DiskFolderError";
  readonly code: FolderErrorCode;

  constructor(code: FolderErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/**
 * Makes a folder the cache's, if it isn't yet. The folder above it must be there.
 * @throws DiskFolderError
 */
export async function prepareFolder(folder: string): Promise<void> {
  await makeRoot(folder);
  await checkOwner(folder);
  try {
    if (!(await isMarked(folder))) await mark(folder);
    await mkdir(join(folder, UNDER_WAY), { recursive: true, mode: 0o700 });
  } catch (error) {
    if (error instanceof DiskFolderError) throw error;
    throw notWritable(folder, error);
  }
}

async function makeRoot(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT")
      throw new DiskFolderError(
        "MISSING",
        `The cache folder ${folder} can't be made: the folder above it is missing`,
        error,
      );
    if (code !== "EEXIST") throw notWritable(folder, error);
  }
}

/** Whoever may write there decides what clients get. */
async function checkOwner(folder: string): Promise<void> {
  const stats = await lstat(folder);
  if (!stats.isDirectory()) throw new DiskFolderError("NO_FOLDER", `The cache folder ${folder} is no folder`);
  if ((stats.mode & 0o022) !== 0)
    throw new DiskFolderError(
      "OPEN_TO_OTHERS",
      `The cache folder ${folder} can be written by others than its owner: chmod go-w it`,
    );
}

async function isMarked(folder: string): Promise<boolean> {
  try {
    const format = await readFile(join(folder, MARKER), "latin1");
    if (format === FORMAT) return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
  throw new DiskFolderError(
    "OTHER_FORMAT",
    `The cache folder ${folder} was written by another version: remove it, or name another one`,
  );
}

async function mark(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter(
    (name) => !HARMLESS.has(name) && !name.startsWith(`${MARKER}.`),
  );
  if (names.length > 0) {
    const told = names.slice(0, NAMES_TOLD).join(", ");
    const message = `The cache folder ${folder} holds files that aren't the cache's (${told}): name an empty one`;
    throw new DiskFolderError("FOREIGN_FILES", message);
  }
  const passing = join(folder, `${MARKER}.${process.pid}`);
  await writeFile(passing, FORMAT, { mode: 0o600 });
  await rename(passing, join(folder, MARKER));
}

export function notWritable(folder: string, error: unknown): DiskFolderError {
  const { code, message: cause } = error as NodeJS.ErrnoException;
  const hint = code === "EACCES" || code === "EPERM" ? ": it has to belong to the user of this process" : "";
  const message = `The cache folder ${folder} can't be written (${cause})${hint}`;
  return new DiskFolderError("NOT_WRITABLE", message, error);
}
