import { constants } from "node:fs";
import { crc32 } from "node:zlib";
import type { OpenedFile } from "./body-file.ts";
import type { FileCalls } from "./file-calls.ts";
import {
  BLOCK_BYTES,
  BrokenFileError,
  endBytes,
  type FileHead,
  type FileId,
  headBytes,
  parseEnd,
  parseHead,
} from "./file-format.ts";

/** What is read at first: with short entries all there is. */
const FIRST_BYTES = BLOCK_BYTES;

/** What is looked for. */
export interface WantedFile {
  readonly path: string;
  readonly id: FileId;
  readonly keyText: string;
  /** Bytes of the file; less than 0 while it is written. */
  readonly length: number;
}

/**
 * Opens a file, and proves what of it is read.
 * @throws BrokenFileError when it isn't what was written, or another one; Node's error when it can't be read
 */
export async function openFile(calls: FileCalls, wanted: WantedFile): Promise<OpenedFile> {
  const descriptor = await calls.open(wanted.path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    const first = await readStart(calls, descriptor, wanted.length);
    const head = parseHead(first);
    if (head.id.high !== wanted.id.high || head.id.low !== wanted.id.low || head.keyText !== wanted.keyText)
      throw new BrokenFileError("it is another one");
    if (wanted.length < 0) return { descriptor, head, body: null, sums: null, length: 0 };
    return { descriptor, head, ...(await readEnd(calls, descriptor, first, head, wanted.length)) };
  } catch (error) {
    await calls.close(descriptor);
    throw error;
  }
}

async function readStart(calls: FileCalls, descriptor: number, fileBytes: number): Promise<Buffer> {
  const usual = fileBytes < 0 ? FIRST_BYTES : Math.min(FIRST_BYTES, fileBytes);
  const first = await readPart(calls, descriptor, usual, 0);
  const needed = headBytes(first);
  if (needed <= first.length) return first;
  if (fileBytes >= 0 && needed > fileBytes) throw new BrokenFileError("its head is cut off");
  return readPart(calls, descriptor, needed, 0);
}

type Rest = Pick<OpenedFile, "body" | "sums" | "length">;

async function readEnd(
  calls: FileCalls,
  descriptor: number,
  first: Buffer,
  { id, bodyAt }: FileHead,
  fileBytes: number,
): Promise<Rest> {
  const bytes = endBytes(fileBytes, bodyAt);
  const length = fileBytes - bodyAt - bytes;
  if (length < 0) throw new BrokenFileError("its end is missing");
  const isAllHere = first.length === fileBytes;
  const end = isAllHere
    ? first.subarray(fileBytes - bytes)
    : await readPart(calls, descriptor, bytes, fileBytes - bytes);
  if (end.length !== bytes) throw new BrokenFileError("its end is cut off");
  const sums = parseEnd(end, id, length);
  if (!isAllHere || length > BLOCK_BYTES) return { body: null, sums, length };
  const body = first.subarray(bodyAt, bodyAt + length);
  if (length > 0 && crc32(body) !== sums[0]) throw new BrokenFileError("its body is damaged");
  return { body, sums, length };
}

async function readPart(calls: FileCalls, descriptor: number, bytes: number, at: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return buffer.subarray(0, await calls.readAt(descriptor, buffer, 0, bytes, at));
}
