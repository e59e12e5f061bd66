import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { waitUntilReady } from "../load/ready.ts";
import { type Child, findProgram, freePort, launch } from "../processes.ts";
import { get, originFiles, uploadPath } from "../workloads.ts";
import { nginxOriginConfig } from "./nginx-config.ts";

/** The server that all proxies stand before. */
export interface Origin {
  readonly name: string;
  readonly port: number;
  stop(): Promise<void>;
}

const smallOrigin = fileURLToPath(import.meta.resolve("./small-origin.ts"));

/** Starts nginx as the origin where it is installed, else a small one of our own. */
export async function startOrigin(directory: string, cpus: string | null): Promise<Origin> {
  const port = await freePort();
  const nginx = findProgram("nginx");
  const child = nginx
    ? await launchNginx(nginx, directory, port, cpus)
    : launch([process.execPath, smallOrigin, String(port)], { cpus });
  await waitUntilReady(child, port, { request: get("/13b"), answerBytes: 13, protocol: "http1" });
  return { name: nginx ? "nginx" : "own small origin", port, stop: () => child.stop() };
}

async function launchNginx(
  nginx: string,
  directory: string,
  port: number,
  cpus: string | null,
): Promise<Child> {
  for (const { path, bytes } of originFiles) {
    await writeFile(join(directory, path.slice(1)), bodyOf(bytes));
  }
  // The POST is turned down only for a file that is there.
  await writeFile(join(directory, uploadPath.slice(1)), "");
  const config = join(directory, "origin.conf");
  await writeFile(config, nginxOriginConfig(directory, port));
  return launch([nginx, "-p", directory, "-e", join(directory, "origin.log"), "-c", config], { cpus });
}

/** A body of that many bytes: a greeting for thirteen, for others a text that doesn't repeat soon. */
function bodyOf(bytes: number): Buffer {
  return Buffer.alloc(
    bytes,
    bytes === 13 ? "Hello, world!" : "The quick brown fox jumps over the lazy dog. ",
  );
}
