import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Protocol } from "../workloads.ts";
import type { Availability, Peer } from "./peer.ts";

const packages = join(import.meta.dirname, "../../node_modules");

/**
 * A proxy in JavaScript.
 *
 * @param program the address of a program that is given its port and the origin's
 */
function nodeProxy(
  name: string,
  about: string,
  program: string,
  available: () => Availability,
  speaks: readonly Protocol[] = ["http1"],
): Peer {
  const file = fileURLToPath(program);
  return {
    name,
    about,
    speaks,
    available,
    singleThreaded: true,
    start({ port, originPort, protocol, certificate, launch }) {
      const { cert, key } = certificate;
      const ports = [String(port), String(originPort)];
      const command = [process.execPath, "--no-deprecation", file, ...ports, protocol, cert, key];
      return launch(command, { env: { NODE_ENV: "production" } });
    },
  };
}

/** One that stands on an npm package of the same name, a development dependency. */
function packagedProxy(name: string, program: string): Peer {
  return nodeProxy(name, "the npm package, with a keep-alive agent", program, () => {
    const manifest = join(packages, name, "package.json");
    if (!existsSync(manifest)) return { ready: false, how: "npm install" };
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { version: string };
    return { ready: true, version };
  });
}

export const nodeProxies: readonly Peer[] = [
  packagedProxy("http-proxy", import.meta.resolve("../programs/http-proxy.ts")),
  packagedProxy("http-proxy-3", import.meta.resolve("../programs/http-proxy-3.ts")),
  packagedProxy("httpxy", import.meta.resolve("../programs/httpxy.ts")),
  packagedProxy("fast-proxy", import.meta.resolve("../programs/fast-proxy.ts")),
  nodeProxy(
    "node-http",
    "node:http with a keep-alive agent and pipes, by hand",
    import.meta.resolve("../programs/node-http.ts"),
    () => ({ ready: true, version: process.versions.node }),
  ),
  nodeProxy(
    "node-http2",
    "node:http2, to the origin with node:http, by hand",
    import.meta.resolve("../programs/node-http2.ts"),
    () => ({ ready: true, version: process.versions.node }),
    ["h2c", "https", "h2"],
  ),
];
