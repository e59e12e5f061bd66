import { createHash } from "node:crypto";
import { constants, existsSync, lutimesSync, rmSync } from "node:fs";
import { chmod, mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Alarm, type AlarmClock, idleAlarms } from "../base/alarms.ts";
import { futureUser } from "./future-user.ts";
import { folderPrefix, removeLeftCopies } from "./left-copies.ts";
import { PluginError } from "./plugin.ts";

/** A file of a plugin as it was read. */
export interface PluginFile {
  readonly bytes: Buffer;
  readonly digest: string;
}

const { O_RDONLY, O_NONBLOCK } = constants;

/** Bytes. Whatever is larger is another file than was meant. */
const LARGEST_FILE = 256 * 1024 * 1024;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "it may not be read",
  EISDIR: "it is a folder",
};

/** Reads a plugin's file. Rejects with a `PluginError` when it can't be read, or isn't whole. */
export async function readPluginFile(path: string): Promise<PluginFile> {
  const bytes = await read(path);
  if (bytes === null || isCutOff(bytes)) throw new PluginError("it isn't whole: is it still being written?");
  return { bytes, digest: createHash("sha256").update(bytes).digest("hex") };
}

/** Null for a file that was written to meanwhile: a part of one and a part of another would end the process that loads it. */
async function read(path: string): Promise<Buffer | null> {
  try {
    // Without waiting for somebody at the other end, where it is a pipe.
    await using file = await open(path, O_RDONLY | O_NONBLOCK);
    const found = await file.stat({ bigint: true });
    if (!found.isFile()) throw new PluginError("it is no regular file");
    if (found.size > LARGEST_FILE) throw new PluginError(`it has ${found.size} bytes`);
    const bytes = await file.readFile();
    const { mtimeNs } = await file.stat({ bigint: true });
    return mtimeNs === found.mtimeNs ? bytes : null;
  } catch (error) {
    if (error instanceof PluginError) throw error;
    const { code = "", message } = error as NodeJS.ErrnoException;
    throw new PluginError(REASONS[code] ?? message);
  }
}

const ELF_64 = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
/** Where an ELF header of 64 bits tells where its section headers stand, how large each is, and how many there are. */
const SECTIONS_AT = 0x28;
const SECTION_SIZE_AT = 0x3a;
const SECTION_COUNT_AT = 0x3c;
const ELF_HEADER = 0x40;

/**
 * Whether a library ends before its last part. To load one that is cut off may end the process: the loader maps the file as its
 * header describes it, and memory behind the end of a file can't be touched.
 */
function isCutOff(bytes: Buffer): boolean {
  if (bytes.length === 0) return true;
  if (!bytes.subarray(0, ELF_64.length).equals(ELF_64)) return false;
  if (bytes.length < ELF_HEADER) return true;
  const sections = Number(bytes.readBigUInt64LE(SECTIONS_AT));
  const count = bytes.readUInt16LE(SECTION_COUNT_AT);
  return sections + count * bytes.readUInt16LE(SECTION_SIZE_AT) > bytes.length;
}

/** Milliseconds. Many systems remove what nobody has touched for days from folders for temporary files (tmpfiles.d(5)). */
const TOUCHED_EVERY = 3_600_000;

/**
 * Copies of plugins' files, which nobody changes: a library that is overwritten while it is loaded takes the process with it. They
 * stand in a folder of this process, which goes with it. A thread that takes the place of another loads them again, however
 * late that is.
 */
export class PluginCopies {
  readonly #clock: AlarmClock;
  readonly #alarm: Alarm;
  readonly #files = new Set<string>();
  #folder: Promise<string> | null = null;
  #count = 0;
  readonly #removeAtExit = (): void => this.#removeNow();
  #path: string | null = null;

  constructor(clock: AlarmClock = idleAlarms) {
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#touch());
  }

  /** Where they stand; null while there are none. */
  get folder(): string | null {
    return this.#path;
  }

  /** Puts a copy aside. @returns its path. Rejects with a `PluginError` when that can't be done. */
  async add(name: string, { bytes }: PluginFile): Promise<string> {
    try {
      this.#folder ??= this.#makeFolder();
      const path = join(await this.#folder, `${++this.#count}-${basename(name)}`);
      await writeFile(path, bytes, { mode: 0o755, flag: "wx" }).catch(async (error: Error) => {
        await this.remove(path);
        throw error;
      });
      this.#files.add(path);
      if (!this.#alarm.isSet) this.#alarm.set(this.#clock.now() + TOUCHED_EVERY);
      return path;
    } catch (error) {
      // It couldn't be made, or somebody has removed it: the next one makes another.
      if (this.#path === null || !existsSync(this.#path)) this.#folder = null;
      throw new PluginError(`it can't be copied aside: ${(error as Error).message}`);
    }
  }

  async #makeFolder(): Promise<string> {
    await removeLeftCopies(tmpdir());
    const path = await mkdtemp(join(tmpdir(), folderPrefix()));
    // The user that the process becomes has to read from it before it is his. Otherwise it is nobody else's business what plugins are.
    if ("uid" in futureUser()) await chmod(path, 0o711);
    if (this.#path === null) process.once("exit", this.#removeAtExit);
    this.#path = path;
    return path;
  }

  /** Removes a copy that nobody loads any more, or leaves it to the end. Those who have loaded it don't notice. */
  async remove(path: string): Promise<void> {
    this.#files.delete(path);
    // The folder may be another user's by now, who made it as root; at the end it goes with all of them, or is left (`left-copies.ts`).
    await rm(path, { force: true }).catch(() => undefined);
  }

  /** Removes all of them. */
  close(): void {
    this.#alarm.clear();
    this.#files.clear();
    this.#folder = null;
    process.off("exit", this.#removeAtExit);
    this.#removeNow();
  }

  #touch(): void {
    const now = new Date();
    for (const path of [this.#path, ...this.#files]) {
      try {
        if (path !== null) lutimesSync(path, now, now);
      } catch {
        // Who loads it says that it is gone.
      }
    }
    this.#alarm.set(this.#clock.now() + TOUCHED_EVERY);
  }

  #removeNow(): void {
    if (this.#path === null) return;
    try {
      rmSync(this.#path, { recursive: true, force: true });
    } catch {
      // It is another user's by now.
    }
    this.#path = null;
  }
}
