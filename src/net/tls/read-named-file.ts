import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import { describeThrown } from "../../base/errors.ts";
import { CertificateError } from "./pem-certificate.ts";

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "may not be read",
};

/** Bytes. Lists of what was revoked can have some millions; whatever has more is another file than was meant. */
const LARGEST_FILE = 64 * 1024 * 1024;

/** To wait for somebody to write into a pipe would be to wait for ever, with every other file. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK;

/** @throws CertificateError that names the file as it was given */
export async function readNamedFile(file: string): Promise<Buffer> {
  try {
    await using handle = await open(file, FLAGS);
    checkRegular(file, await handle.stat());
    return await handle.readFile();
  } catch (error) {
    throw toCertificateError(file, error);
  }
}

/**
 * The same for those who can't wait.
 * @param name what the file is called where something is wrong with it
 */
export function readNamedFileSync(file: string, name: string): Buffer {
  let descriptor = -1;
  try {
    descriptor = openSync(file, FLAGS);
    checkRegular(name, fstatSync(descriptor));
    return readFileSync(descriptor);
  } catch (error) {
    throw toCertificateError(name, error);
  } finally {
    if (descriptor !== -1) closeSync(descriptor);
  }
}

function checkRegular(file: string, found: Stats): void {
  if (!found.isFile())
    throw new CertificateError(file, found.isDirectory() ? "is a folder" : "is no regular file");
  if (found.size > LARGEST_FILE)
    throw new CertificateError(file, `has ${found.size} bytes, more than any such file`);
}

function toCertificateError(file: string, error: unknown): CertificateError {
  if (error instanceof CertificateError) return error;
  const { code = "" } = error as NodeJS.ErrnoException;
  return new CertificateError(file, REASONS[code] ?? describeThrown(error));
}
