/** Measures what it costs to compress responses, beside nginx: `npm run bench:coding`. */

import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { get, type IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { cpuMicrosOf } from "../measure/process-tree.ts";
import { findProgram, freePort, killAll, launch } from "../processes.ts";
import { textTable } from "../report/table.ts";

const { values } = parseArgs({
  options: {
    level: { type: "string", default: "5" },
    sizes: { type: "string", default: "1,4,16,64,1024" },
    only: { type: "string", default: "" },
    rounds: { type: "string", default: "3" },
    seconds: { type: "string", default: "1" },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (values.help) {
  process.stdout.write(`Usage: npm run bench:coding -- [--level 5] [--rounds 3] [--seconds 1] [--sizes 1,4,16,64,1024] [--only cached]

CPU time of a proxy in one thread for a request whose response it compresses: nginx and Sluice with gzip of the same level, Sluice with
zstd and br, and both without compression; then the same from their caches, one after the other in each round. Sizes are in KiB;
--only leaves out those whose names don't have that in them. Needs nginx and wrk.
`);
  process.exit();
}

const level = Number(values.level);
const KB = 1024;
const sizes = values.sizes.split(",").map((kilobytes) => Number(kilobytes) * KB);
/** Prose in English with code in it: what pages and answers of APIs are like. */
const text = readFileSync(join(import.meta.dirname, "../../docs/configuration.md"));
const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
const [origin, nginxPort, sluicePort] = [await freePort(), await freePort(), await freePort()] as const;
const [nginxCache, sluiceCache] = [await freePort(), await freePort()] as const;

// Workers of nginx are another user.
chmodSync(folder, 0o755);
for (const size of sizes) {
  const body = Buffer.alloc(size);
  for (let at = 0; at < size; at += text.length) text.copy(body, at);
  mkdirSync(join(folder, "bodies"), { recursive: true });
  writeFileSync(join(folder, "bodies", `${size}.txt`), body);
}
startNginx(
  "origin",
  `server { listen 127.0.0.1:${origin}; root ${folder}/bodies; keepalive_requests 1000000; add_header Cache-Control max-age=86400; }`,
);
const nginx = startNginx("proxy", proxyOfNginx());
const sluice = startSluice();
for (const port of [origin, nginxPort, nginxCache, sluicePort, sluiceCache]) await whenAnswered(port);

interface Way {
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  readonly accept: string;
}

const allWays: readonly Way[] = [
  { name: "nginx, not compressed", pid: nginx, port: nginxPort, accept: "identity" },
  { name: `nginx, gzip ${level}`, pid: nginx, port: nginxPort, accept: "gzip" },
  { name: "sluice, not compressed", pid: sluice, port: sluicePort, accept: "identity" },
  { name: `sluice, gzip ${level}`, pid: sluice, port: sluicePort, accept: "gzip" },
  { name: "sluice, zstd 3", pid: sluice, port: sluicePort, accept: "zstd" },
  { name: "sluice, br 4", pid: sluice, port: sluicePort, accept: "br" },
  { name: "nginx, cached, not compressed", pid: nginx, port: nginxCache, accept: "identity" },
  { name: `nginx, cached, gzip ${level}`, pid: nginx, port: nginxCache, accept: "gzip" },
  { name: "sluice, cached, not compressed", pid: sluice, port: sluiceCache, accept: "identity" },
  { name: `sluice, cached, gzip ${level}`, pid: sluice, port: sluiceCache, accept: "gzip" },
  { name: "sluice, cached, br 4", pid: sluice, port: sluiceCache, accept: "br" },
];
const ways = allWays.filter(({ name }) => name.includes(values.only));

const times = new Map<string, number>();
const lengths = new Map<string, number>();
// The first round is for the compiler to warm up.
for (let round = 0; round <= Number(values.rounds); round++) {
  for (const size of sizes) for (const way of ways) await measure(way, size, round > 0);
}
const head = ["CPU µs/request (bytes)", ...sizes.map((size) => `${size / KB} KiB`)];
const rows = ways.map(({ name }) => [
  name,
  ...sizes.map((size) => `${times.get(`${name} ${size}`)!.toFixed(0)} (${lengths.get(`${name} ${size}`)})`),
]);
process.stdout.write(`${textTable([head, ...rows])}\n`);
killAll();
rmSync(folder, { recursive: true });
process.exit();

async function whenAnswered(port: number): Promise<void> {
  for (;;) {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const asked = get({ port, path: "/", agent: false }, (answer) => {
      answer.resume();
      resolve(true);
    });
    asked.on("error", () => resolve(false));
    if (await promise) return;
    await sleep(100);
  }
}

/** The best round counts: whoever else uses the machine only ever makes it slower. */
async function measure({ name, pid, port, accept }: Way, size: number, counts: boolean): Promise<void> {
  const url = `http://127.0.0.1:${port}/${size}.txt`;
  const before = await cpuMicrosOf(pid);
  const load = ["--threads=1", "--connections=16", `--duration=${values.seconds}s`];
  const child = launch(["wrk", ...load, "-H", `Accept-Encoding: ${accept}`, url]);
  const printed = await child.stdout;
  const requests = Number(/(\d+) requests in/.exec(printed)?.[1] ?? 0);
  if (requests === 0 || /Non-2xx|Socket errors/.test(printed)) throw new Error(`${name}: ${printed}`);
  if (!counts) return;
  const time = ((await cpuMicrosOf(pid)) - before) / requests;
  const key = `${name} ${size}`;
  times.set(key, Math.min(time, times.get(key) ?? Number.POSITIVE_INFINITY));
  lengths.set(key, await codedLength(url, accept));
}

/** Bytes of the body as it comes. @throws Error when it isn't coded as it should be */
async function codedLength(url: string, accept: string): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<IncomingMessage>();
  get(url, { headers: { "accept-encoding": accept }, agent: false }, resolve);
  const answer = await promise;
  const { "content-encoding": coding = "identity" } = answer.headers;
  if (coding !== accept) throw new Error(`${url} is ${coding} and not ${accept}`);
  let length = 0;
  for await (const piece of answer) length += (piece as Buffer).length;
  return length;
}

/** @returns its process id */
function startNginx(name: string, servers: string): number {
  const file = join(folder, `${name}.conf`);
  const configuration = `daemon off; worker_processes 1; pid ${folder}/${name}.pid; error_log stderr error;
events { worker_connections 1024; }
http { access_log off; types { text/plain txt; } sendfile on; tcp_nopush on; ${servers} }
`;
  writeFileSync(file, configuration);
  return launch([findProgram("nginx") ?? "nginx", "-p", folder, "-c", file]).pid;
}

/** What is compressed has to be in one piece for nginx to know its length; more than that is for buffers it has by default. */
function proxyOfNginx(): string {
  return `upstream origin { server 127.0.0.1:${origin}; keepalive 64; keepalive_requests 1000000; }
proxy_cache_path ${folder}/cache keys_zone=one:10m;
${serverOfNginx(nginxPort, "")}
${serverOfNginx(nginxCache, "proxy_cache one;")}`;
}

function serverOfNginx(port: number, cache: string): string {
  return `server {
  listen 127.0.0.1:${port}; keepalive_requests 1000000;
  gzip on; gzip_comp_level ${level}; gzip_min_length 0; gzip_types text/plain; gzip_vary on; gzip_proxied any;
  location / {
    ${cache} proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Accept-Encoding "";
    proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k; proxy_max_temp_file_size 0;
  }
}`;
}

function startSluice(): number {
  const file = join(folder, "coding.yaml");
  const configuration = `threads: 1
listeners:
  - bind: 127.0.0.1:${sluicePort}
    compress: { min_size: 0, levels: { gzip: ${level} } }
    limits: { requests_per_connection: 0 }
    upstream: 127.0.0.1:${origin}
  - bind: 127.0.0.1:${sluiceCache}
    compress: { min_size: 0, levels: { gzip: ${level} } }
    limits: { requests_per_connection: 0 }
    cache: 64MiB
    upstream: 127.0.0.1:${origin}
`;
  writeFileSync(file, configuration);
  return launch([process.execPath, join(import.meta.dirname, "../../bin/sluice.js"), "run", file]).pid;
}
