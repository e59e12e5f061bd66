import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isHttp2 } from "../load/load.ts";
import { cacheWorkloads, folderInMemory } from "./in-memory.ts";
import { installed, pathOf } from "./installed.ts";
import type { Peer, PeerContext } from "./peer.ts";

/**
 * It has a thread for each request, and with HTTP/2 one for each connection too: so many stand ready, in one pool, as it
 * has one processor. Its log is in shared memory and always written; a tmpfs is where its manual wants it.
 */
export const varnish: Peer = {
  name: "varnish",
  about: "malloc storage, one pool of threads, a thread ready for each request",
  onlyIn: cacheWorkloads,
  speaks: ["http1", "h2c"],
  available: () => installed("varnishd", "-V", "varnish"),
  async start(context) {
    const file = join(context.directory, "default.vcl");
    await writeFile(file, vcl(context));
    return context.launch([pathOf("varnishd"), ...options(context, file)]);
  },
};

function vcl({ originPort }: PeerContext): string {
  return `vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "${originPort}"; }\n`;
}

function options({ port, connections, threads, protocol, directory }: PeerContext, file: string): string[] {
  const parameters: Readonly<Record<string, string>> = {
    thread_pools: String(threads),
    thread_pool_min: String(Math.ceil((connections * 20 + 64) / threads)),
    thread_pool_max: "5000",
    ...(isHttp2(protocol) ? { feature: "+http2" } : {}),
  };
  return [
    ...["-F", "-j", "none", "-n", folderInMemory(directory), "-a", `127.0.0.1:${port}`],
    ...["-f", file, "-s", "malloc,512M", "-T", "none"],
    ...Object.entries(parameters).flatMap(([name, value]) => ["-p", `${name}=${value}`]),
  ];
}
