import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openFileLimit } from "../measure/open-files.ts";
import type { Protocol } from "../workloads.ts";
import { installed, pathOf } from "./installed.ts";
import { allProtocols, type Peer, type PeerContext } from "./peer.ts";

export const haproxy: Peer = {
  name: "haproxy",
  about: "mode http, http-reuse always",
  speaks: allProtocols,
  available: () => installed("haproxy", "-v"),
  async start(context) {
    const file = join(context.directory, "haproxy.cfg");
    await writeFile(file, config(context));
    return context.launch([pathOf("haproxy"), "-db", "-f", file]);
  },
};

const bindOptions: Readonly<Record<Protocol, string>> = {
  http1: "",
  h2c: "proto h2",
  https: "ssl crt CERTIFICATE alpn http/1.1",
  h2: "ssl crt CERTIFICATE alpn h2",
};

/**
 * `maxconn` as high as the open files allow: HAProxy closes upstream connections that it could
 * keep when a quarter of the files that it expects to need are in use.
 *
 * `http-reuse always`: the default opens an upstream connection for the first request of every
 * client connection, which would be another thing than what the other peers do.
 */
function config({ port, originPort, threads, protocol, certificate }: PeerContext): string {
  return `
global
  nbthread ${threads}
  maxconn ${Math.min(16_384, Math.floor(openFileLimit() / 2) - 256)}
defaults
  mode http
  timeout connect 5s
  timeout client 75s
  timeout server 75s
  http-reuse always
frontend in
  bind 127.0.0.1:${port} ${bindOptions[protocol].replace("CERTIFICATE", certificate.both)}
  default_backend origin
backend origin
  server origin 127.0.0.1:${originPort}
`;
}
