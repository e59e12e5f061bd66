import { writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { isHttp2, isSecure } from "../load/load.ts";
import type { Child } from "../processes.ts";
import type { Protocol } from "../workloads.ts";
import { cacheWorkloads, folderInMemory } from "./in-memory.ts";
import { installed, pathOf } from "./installed.ts";
import { allProtocols, type Peer, type PeerContext } from "./peer.ts";

/** What differs between the two nginx peers: the rest of their configuration is the same. */
interface Tuning {
  readonly main: string;
  readonly events: string;
  readonly http: string;
  readonly listen: string;
  readonly idleUpstreams: number;
  readonly upstream: string;
  readonly location: string;
}

const asItComes: Tuning = {
  ...{ main: "", events: "", http: "", listen: "", idleUpstreams: 64, upstream: "", location: "" },
};

/**
 * Bigger buffers than any answer needs but the 1 MiB ones, which then stream without a temporary
 * file; connections that are never closed for having served many requests.
 */
const tuned: Tuning = {
  main: "worker_rlimit_nofile 16384;",
  events: "multi_accept on;",
  listen: "reuseport backlog=4096",
  idleUpstreams: 1024,
  upstream: "keepalive_requests 1000000000; keepalive_timeout 1h;",
  location: "",
  http: `
  tcp_nodelay on;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  reset_timedout_connection on;
  client_body_buffer_size 128k;
  client_header_buffer_size 4k;
  proxy_buffer_size 16k;
  proxy_buffers 8 32k;
  proxy_busy_buffers_size 128k;
  proxy_max_temp_file_size 0;
  proxy_socket_keepalive on;`,
};

export const nginx: Peer = {
  name: "nginx",
  about: "the configuration it ships with, keepalive 64 to the upstream; 1024 with HTTP/2",
  speaks: allProtocols,
  available: () => installed("nginx", "-v"),
  start: (context) => start(context, asItComes),
};

export const nginxTuned: Peer = {
  name: "nginx-tuned",
  about: "bigger buffers, no temporary files, multi_accept, reuseport, keepalive 1024",
  speaks: allProtocols,
  available: () => installed("nginx", "-v"),
  start: (context) => start(context, tuned),
};

/**
 * The tuned one with a cache: its files in memory, and open all the time, so that a hit costs one read of its head and one
 * `sendfile`.
 */
export const nginxCache: Peer = {
  name: "nginx-cache",
  about: "nginx-tuned with proxy_cache on tmpfs, its files kept open",
  onlyIn: cacheWorkloads,
  speaks: ["http1", "h2c"],
  available: () => installed("nginx", "-v"),
  async start(context) {
    const http = `
  ${tuned.http}
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  proxy_cache_path ${folderInMemory(context.directory)} levels=1:2 keys_zone=all:16m max_size=1g inactive=1h use_temp_path=off;`;
    return await start(context, {
      ...tuned,
      http,
      location: "proxy_cache all; proxy_cache_lock on; http2_chunk_size 16k;",
    });
  },
};

async function start(context: PeerContext, tuning: Tuning): Promise<Child> {
  const { directory } = context;
  const file = join(directory, "nginx.conf");
  await writeFile(file, config(context, tuning));
  const errors = join(directory, "error.log");
  return context.launch([pathOf("nginx"), "-p", directory, "-e", errors, "-c", file]);
}

/** The parameter is from before 1.25.1, which has a directive too; both understand it. */
const listenOptions: Readonly<Record<Protocol, string>> = {
  http1: "",
  h2c: "http2",
  https: "ssl",
  h2: "ssl http2",
};

/** Session tickets are on as it comes; before 1.23.4 TLS 1.3 was not, but for the nginx.conf of distributions. */
function tls({ certificate }: PeerContext): string {
  return `ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate ${certificate.cert}; ssl_certificate_key ${certificate.key};`;
}

/**
 * The shipped nginx.conf with a proxied location. `worker_connections` is the one departure: the
 * shipped 768 (512 in nginx itself) are not enough for 512 clients with an upstream connection
 * each, let alone for 5,000 idle ones.
 *
 * With HTTP/2 there are two more. After the shipped 1,000 requests a connection is closed, which one that carries 16 streams
 * reaches many times a second. And 256 requests at once need as many upstream connections: with 64 that are kept nginx
 * opens most of them anew, and takes twice the time.
 */
function config(context: PeerContext, tuning: Tuning): string {
  const { port, originPort, threads, connections, directory, protocol } = context;
  const { idleUpstreams } = isHttp2(protocol) ? tuned : tuning;
  return `
daemon off;
user ${userInfo().username};
worker_processes ${threads};
pid ${directory}/nginx.pid;
error_log ${directory}/error.log;
${tuning.main}
events { worker_connections ${2 * connections + 512}; ${tuning.events} }
http {
  sendfile on;
  tcp_nopush on;
  types_hash_max_size 2048;
  default_type application/octet-stream;
  access_log off;
  client_body_temp_path ${directory}/bodies;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  ${tuning.http}
  ${isHttp2(protocol) && tuning === asItComes ? "keepalive_requests 1000000000;" : ""}
  upstream origin { server 127.0.0.1:${originPort}; keepalive ${idleUpstreams}; ${tuning.upstream} }
  server {
    listen 127.0.0.1:${port} ${tuning.listen} ${listenOptions[protocol]};
    ${isSecure(protocol) ? tls(context) : ""}
    location / {
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      ${tuning.location}
    }
  }
}
`;
}
