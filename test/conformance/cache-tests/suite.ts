import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { type Finished, runProgram } from "../../kit/process.ts";

/** Where the suite is kept by its authors. */
const repository = "https://github.com/http-tests/cache-tests.git";
/** Milliseconds a download may take. */
const downloadTime = 180_000;

/** A checkout of the suite that is ready to run. */
export interface Suite {
  readonly folder: string;
  /** What is checked out, as short as git writes it; empty where it isn't a checkout. */
  readonly commit: string;
}

/** Nothing that could be run is there; the message says what to do. */
export class SuiteMissing extends Error {}

/** In the user's cache folder: nothing of the suite comes into this tree. */
function cacheFolder(): string {
  const caches = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return join(caches, "sluice", "cache-tests");
}

/**
 * The suite in `folder`, or in the user's cache folder, where it is cloned to when it isn't there.
 *
 * @throws {SuiteMissing} when it isn't there and can't be had
 */
export async function openSuite(folder?: string): Promise<Suite> {
  const place = folder ?? cacheFolder();
  if (!existsSync(join(place, "test-engine", "cli.mjs"))) {
    if (folder !== undefined) throw new SuiteMissing(`${folder} doesn't hold the suite: clone ${repository}`);
    await download(place);
  }
  if (!existsSync(join(place, "node_modules", "undici"))) await installPackages(place);
  const { stdout } = await run("git", ["-C", place, "rev-parse", "--short", "HEAD"]);
  return { folder: place, commit: stdout.trim() };
}

async function download(place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true });
  const { code, stderr } = await run("git", ["clone", "--depth", "1", repository, place]);
  if (code === 0) return;
  throw new SuiteMissing(
    `${repository} couldn't be cloned: ${stderr.trim()}\nGive a checkout of your own with --suite`,
  );
}

/** Its client needs undici alone, for interim responses; the other packages are for its web pages. */
async function installPackages(place: string): Promise<void> {
  const args = ["install", "--no-save", "--no-package-lock", "--omit=dev", "--ignore-scripts"];
  const { code, stderr } = await run("npm", args, place);
  if (code !== 0) throw new SuiteMissing(`its packages couldn't be installed: ${stderr.trim()}`);
}

async function run(program: string, args: readonly string[], cwd?: string): Promise<Finished> {
  const options = { timeout: downloadTime, ...(cwd === undefined ? {} : { cwd }) };
  return await runProgram(program, args, options).catch((error: Error) => {
    throw new SuiteMissing(`${program}: ${error.message}`);
  });
}
