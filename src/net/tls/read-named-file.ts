import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { describeThrown } from "../../base/errors.ts";
import { CertificateError } from "./pem-certificate.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "may not be read",
};

/** Bytes. Lists of what was revoked can have some millions; whatever has more is another file than was meant. */
const LARGEST_FILE = 64 * 1024 * 1024;

/** @throws CertificateError that names the file as it was given */
export async function readNamedFile(file: string): Promise<Buffer> {
  try {
    // To wait for somebody to write into a pipe would be to wait for ever, with every other file.
    await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    return await readRegular(file, handle);
  } catch (error) {
    if (error instanceof CertificateError) throw error;
    const { code = "" } = error as NodeJS.ErrnoException;
    throw new CertificateError(file, REASONS[code] ?? describeThrown(error));
  }
}

async function readRegular(file: string, handle: FileHandle): Promise<Buffer> {
  const found = await handle.stat();
  if (!found.isFile())
    throw new CertificateError(file, found.isDirectory() ? "is a folder" : "is no regular file");
  if (found.size > LARGEST_FILE)
    throw new CertificateError(file, `has ${found.size} bytes, more than any such file`);
  return await handle.readFile();
}
