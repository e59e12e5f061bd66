import { close, fstat, lstat, mkdir, open, read, rename, type Stats, unlink, writev } from "node:fs";
import { promisify } from "node:util";

const openAsync = promisify(open);
const fstatAsync = promisify(fstat);
const lstatAsync = promisify(lstat);
const mkdirAsync = promisify(mkdir);
const renameAsync = promisify(rename);
const unlinkAsync = promisify(unlink);

/** So many at once from a thread: Node has four threads for files, in all, and names are looked up there too. */
const MOST_AT_ONCE = 4;

/** Calls for files of one thread, a few at a time, the rest in the order they came in. */
export class FileCalls {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  open(path: string, flags: number, mode: number = 0): Promise<number> {
    return this.#inTurn(() => openAsync(path, flags, mode));
  }

  /** Fills the buffer from `start` on. @returns the bytes that there were, fewer at the end of the file */
  readAt(
    descriptor: number,
    buffer: Buffer,
    start: number,
    length: number,
    position: number,
  ): Promise<number> {
    return this.#inTurn(async () => {
      for (let done = 0; ; ) {
        const read = await readSome(descriptor, buffer, start + done, length - done, position + done);
        done += read;
        if (read === 0 || done === length) return done;
      }
    });
  }

  /** Writes all of them, one after the other. */
  writeAt(descriptor: number, buffers: Buffer[], position: number): Promise<void> {
    return this.#inTurn(async () => {
      let rest = buffers;
      for (let at = position; rest.length > 0; ) {
        const written = await writeSome(descriptor, rest, at);
        at += written;
        rest = without(rest, written);
      }
    });
  }

  stat(descriptor: number): Promise<Stats> {
    return this.#inTurn(() => fstatAsync(descriptor));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#inTurn(() => renameAsync(from, to));
  }

  /** @returns whether it was there */
  async remove(path: string): Promise<boolean> {
    try {
      await this.#inTurn(() => unlinkAsync(path));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  /** @returns what it takes on the disk; 0 when somebody else has made it */
  makeFolder(path: string): Promise<number> {
    return this.#inTurn(async () => {
      try {
        await mkdirAsync(path, 0o700);
        return 512 * (await lstatAsync(path)).blocks;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "EEXIST") return 0;
        throw error;
      }
    });
  }

  /** Errors of it say nothing that anybody could act on. */
  close(descriptor: number): Promise<void> {
    return new Promise((resolve) => close(descriptor, () => resolve()));
  }

  async #inTurn<T>(call: () => Promise<T>): Promise<T> {
    if (this.#running >= MOST_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await call();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function readSome(
  descriptor: number,
  buffer: Buffer,
  start: number,
  length: number,
  at: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, buffer, start, length, at, (error, bytes) =>
      error === null ? resolve(bytes) : reject(error),
    );
  });
}

function writeSome(descriptor: number, buffers: Buffer[], at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(descriptor, buffers, at, (error, bytes) => (error === null ? resolve(bytes) : reject(error)));
  });
}

/** What is left of them after so many bytes. */
function without(buffers: Buffer[], bytes: number): Buffer[] {
  let skipped = bytes;
  return buffers.flatMap((buffer) => {
    const gone = Math.min(skipped, buffer.length);
    skipped -= gone;
    return gone === buffer.length ? [] : [buffer.subarray(gone)];
  });
}
