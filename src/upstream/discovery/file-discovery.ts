import { readFile, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { describeThrown } from "../../base/errors.ts";
import { FolderWatch } from "../../base/folder-watch.ts";
import type { DiscoverySettings } from "../group-settings.ts";
import { RepeatedDiscovery } from "./repeated-discovery.ts";
import type { DiscoveryMeans } from "./repeater.ts";
import { MAX_LIST_BYTES, readServerList } from "./server-list.ts";
import type { FoundServers } from "./server-news.ts";

/** Whatever happens, the file is read again after this: file systems of other machines tell nobody of changes. */
const POLL_INTERVAL = 5_000;

/** Changes come in swarms, and a file that is written in place is not whole at the first of them. */
const SETTLING = 100;
/** A folder in which something changes all the time must not keep the file from being read. */
const LONGEST_SETTLING = 1_000;

/**
 * Servers from a YAML or JSON file. A file that is missing, or can't be read as a list, is an error, and so is an empty
 * one: it may just be being written. It is read again at the next change.
 */
export class FileDiscovery extends RepeatedDiscovery {
  readonly #path: string;
  readonly #means: DiscoveryMeans;
  readonly #watch: FolderWatch;
  #text: string | null = null;
  #found: FoundServers = { servers: [], problems: [] };
  /** When the first of the changes came that weren't looked at yet. */
  #changedAt: number | null = null;

  constructor(settings: DiscoverySettings & { kind: "file" }, means: DiscoveryMeans) {
    const path = resolve(settings.path);
    super(`file ${path}`, means);
    this.#path = path;
    this.#means = means;
    this.#watch = new FolderWatch(dirname(this.#path), () => this.#onChange());
  }

  override stop(): void {
    super.stop();
    this.#watch.stop();
  }

  #onChange(): void {
    const now = this.#means.clock.now();
    this.#changedAt ??= now;
    this.repeater.wake(Math.min(now + SETTLING, this.#changedAt + LONGEST_SETTLING));
  }

  protected async look(signal: AbortSignal): Promise<number> {
    this.#changedAt = null;
    await this.#watch.renew();
    if (signal.aborted) this.#watch.stop();
    const problem = await this.#read().catch(describeFileError);
    if (problem === null) this.news.found(this.#found);
    else this.news.failed(problem);
    return POLL_INTERVAL;
  }

  async #read(): Promise<null> {
    const text = await readText(this.#path);
    if (text === this.#text) return null;
    this.#found = readServerList(await parseText(text));
    this.#text = text;
    return null;
  }
}

async function readText(path: string): Promise<string> {
  const stats = await stat(path);
  // Reading a pipe would wait for a writer.
  if (!stats.isFile()) throw new RangeError("it is no file");
  if (stats.size > MAX_LIST_BYTES) throw new RangeError(`it is longer than ${MAX_LIST_BYTES} bytes`);
  return readFile(path, "utf8");
}

/** JSON is YAML, too. The parser takes a list behind a byte order mark for a mistake. */
async function parseText(text: string): Promise<unknown> {
  const { parseDocument } = await import("yaml");
  const document = parseDocument(text.replace(/^\uFEFF/, ""));
  const [error] = document.errors;
  if (error !== undefined) throw new RangeError(error.message.replace(/:?\n[\s\S]*$/, ""));
  return document.toJS();
}

function describeFileError(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  return describeThrown(error);
}
