import { isAbsolute, join } from "node:path";

/** A path that a document names, as it is found from the working directory. */
export function resolveIn(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
