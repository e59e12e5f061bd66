import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { type Child, findProgram } from "../processes.ts";
import { installed, pathOf, saidBy } from "./installed.ts";
import type { Availability, Peer, PeerContext } from "./peer.ts";
import { availability } from "./sluice.ts";

/** The workloads of byte streams, and the only ones that these peers take part in. */
const onlyIn: readonly string[] = ["stream-echo", "stream-bulk"];

/** Sluice as a TCP proxy without faults, from flags alone. */
function sluiceTcp(bin: string, name: string): Peer {
  return {
    name,
    about: "sluice tcp, mode allow",
    onlyIn,
    available: () => availability(bin),
    start: ({ port, originPort, threads, launch }) =>
      launch([
        ...[process.execPath, bin, "tcp", `127.0.0.1:${port}`, `127.0.0.1:${originPort}`],
        ...["--threads", String(threads), "--no-menu"],
      ]),
  };
}

// ── nginx ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Where distributions put the stream module when nginx doesn't have it built in. */
const moduleFiles: readonly string[] = [
  "/usr/lib/nginx/modules/ngx_stream_module.so",
  "/usr/lib64/nginx/modules/ngx_stream_module.so",
];

function nginxStream(name: string, about: string, server: string): Peer {
  return {
    name,
    about,
    onlyIn,
    available: () => {
      const nginx = installed("nginx", "-V");
      if (!nginx.ready || isBuiltIn() || moduleFile() !== undefined) return nginx;
      return { ready: false, how: "apt-get install libnginx-mod-stream" };
    },
    start: (context) => startNginx(context, server),
  };
}

function isBuiltIn(): boolean {
  return /--with-stream(?: |$)/m.test(saidBy(pathOf("nginx"), "-V"));
}

function moduleFile(): string | undefined {
  return moduleFiles.find((file) => existsSync(file));
}

async function startNginx(context: PeerContext, server: string): Promise<Child> {
  const { port, originPort, threads, connections, directory, launch } = context;
  const file = join(directory, "nginx.conf");
  await writeFile(
    file,
    `
${isBuiltIn() ? "" : `load_module ${moduleFile()};`}
daemon off;
user ${userInfo().username};
worker_processes ${threads};
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
events { worker_connections ${2 * connections + 512}; }
stream {
  server {
    listen 127.0.0.1:${port};
    proxy_pass 127.0.0.1:${originPort};
    ${server}
  }
}
`,
  );
  return launch([pathOf("nginx"), "-p", directory, "-e", join(directory, "error.log"), "-c", file]);
}

// ── HAProxy and Toxiproxy ────────────────────────────────────────────────────────────────────────────────────────

const haproxyTcp: Peer = {
  name: "haproxy-tcp",
  about: "mode tcp",
  onlyIn,
  available: () => installed("haproxy", "-v"),
  async start({ port, originPort, threads, directory, launch }) {
    const file = join(directory, "haproxy.cfg");
    await writeFile(
      file,
      `
global
  nbthread ${threads}
defaults
  mode tcp
  timeout connect 5s
  timeout client 75s
  timeout server 75s
listen relay
  bind 127.0.0.1:${port}
  server origin 127.0.0.1:${originPort}
`,
    );
    return launch([pathOf("haproxy"), "-db", "-f", file]);
  },
};

const builtToxiproxy = join(import.meta.dirname, "../.cache/toxiproxy-server");

function findToxiproxy(): string | null {
  const given = process.env["TOXIPROXY_BIN"];
  if (given !== undefined) return given;
  return existsSync(builtToxiproxy) ? builtToxiproxy : findProgram("toxiproxy-server");
}

const toxiproxy: Peer = {
  name: "toxiproxy",
  about: "one proxy without toxics",
  onlyIn,
  available(): Availability {
    const path = findToxiproxy();
    if (path !== null)
      return { ready: true, version: /\d+\.\d+\.\d+/.exec(saidBy(path, "-version"))?.[0] ?? "" };
    return { ready: false, how: "put toxiproxy-server into PATH, or name it in TOXIPROXY_BIN" };
  },
  async start({ port, originPort, threads, directory, launch }) {
    const file = join(directory, "toxiproxy.json");
    const proxy = { name: "relay", listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${originPort}` };
    await writeFile(file, JSON.stringify([proxy]));
    const command = [findToxiproxy() ?? "", "-port", "0", "-config", file];
    return launch(command, { env: { GOMAXPROCS: String(threads), LOG_LEVEL: "error" } });
  },
};

/** @param before another sluice, to compare it with */
export function streamPeers(bin: string, before?: string): Peer[] {
  return [
    sluiceTcp(bin, "sluice-tcp"),
    ...(before === undefined ? [] : [sluiceTcp(before, "sluice-tcp-before")]),
    nginxStream("nginx-stream", "the stream module as it comes: buffers of 16 KiB", ""),
    nginxStream("nginx-stream-256k", "the stream module with buffers of 256 KiB", "proxy_buffer_size 256k;"),
    haproxyTcp,
    toxiproxy,
  ];
}
