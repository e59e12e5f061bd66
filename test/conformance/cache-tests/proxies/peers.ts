import { userInfo } from "node:os";
import { runProgram } from "../../../kit/process.ts";
import type { ProxyKind } from "./proxy-kind.ts";

// Each is set up as the authors of the suite set it up for the results that they publish, so that both can be compared: in memory
// or in a small folder, with heuristics as they come.

export const nginx: ProxyKind = {
  name: "nginx",
  program: "nginx",
  versionArguments: ["-v"],
  files: ({ port, originPort, folder }) => ({
    "nginx.conf": `
daemon off;
user ${userInfo().username};
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
events { worker_connections 2048; }
http {
  access_log off;
  client_body_temp_path ${folder}/bodies;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=cache:8m max_size=1000m inactive=600m;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${originPort};
      proxy_http_version 1.1;
      proxy_cache cache;
      proxy_cache_revalidate on;
    }
  }
}
`,
  }),
  args: ({ folder }) => ["-p", folder, "-e", `${folder}/error.log`, "-c", `${folder}/nginx.conf`],
};

export const varnish: ProxyKind = {
  name: "varnish",
  program: "varnishd",
  versionArguments: ["-V"],
  folders: ["work"],
  files: ({ originPort }) => ({
    "default.vcl": `vcl 4.1;\nbackend default { .host = "127.0.0.1"; .port = "${originPort}"; }\n`,
  }),
  args: ({ port, folder }) => [
    ...["-F", "-j", "none", "-n", `${folder}/work`, "-a", `127.0.0.1:${port}`, "-f", `${folder}/default.vcl`],
    ...["-s", "malloc,64M", "-T", "none"],
    ...["-p", "default_ttl=0", "-p", "default_grace=0", "-p", "default_keep=3600"],
    // Longer than the client keeps a connection: the race for one that is just being closed fails tests.
    ...["-p", "timeout_idle=120"],
  ],
};

export const squid: ProxyKind = {
  name: "squid",
  program: "squid",
  versionArguments: ["-v"],
  files: ({ port, originPort }) => ({
    "squid.conf": `
http_port 127.0.0.1:${port} accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent ${originPort} 0 no-query no-digest originserver default name=origin
cache_peer_access origin allow all
http_access allow all
access_log none
cache_log stdio:/dev/null
cache_store_log none
pid_filename none
netdb_filename none
shutdown_lifetime 1 second
connect_retries 3
refresh_pattern . 0 20% 4320
`,
  }),
  args: ({ folder }) => ["-N", "-f", `${folder}/squid.conf`],
};

export const trafficServer: ProxyKind = {
  name: "trafficserver",
  program: "traffic_server",
  versionArguments: ["-V"],
  folders: ["etc", "cache", "log", "run"],
  files: ({ port, originPort, folder }) => ({
    "runroot.yaml": [
      ...[
        `prefix: ${folder}`,
        `exec_prefix: ${folder}`,
        `sysconfdir: ${folder}/etc`,
        `localstatedir: ${folder}`,
      ],
      ...[`runtimedir: ${folder}/run`, `logdir: ${folder}/log`, `cachedir: ${folder}/cache`, ""],
    ].join("\n"),
    "etc/remap.config": `map / http://127.0.0.1:${originPort}/\n`,
    "etc/storage.config": `${folder}/cache 64M\n`,
    "etc/ip_allow.yaml":
      "ip_allow:\n  - { apply: in, ip_addrs: 0/0, action: allow, methods: ALL }\n" +
      "  - { apply: in, ip_addrs: ::/0, action: allow, methods: ALL }\n",
    "etc/records.config": `
CONFIG proxy.config.http.server_ports STRING ${port}:ip-in=127.0.0.1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 2
CONFIG proxy.config.http.insert_request_via_str INT 1
CONFIG proxy.config.http.cache.http INT 1
CONFIG proxy.config.http.cache.required_headers INT 2
CONFIG proxy.config.http.cache.ignore_client_cc_max_age INT 1
CONFIG proxy.config.http.cache.cache_responses_to_cookies INT 1
CONFIG proxy.config.http.normalize_ae INT 1
CONFIG proxy.config.http.connect_attempts_max_retries INT 3
CONFIG proxy.config.reverse_proxy.enabled INT 1
CONFIG proxy.config.url_remap.remap_required INT 1
CONFIG proxy.config.url_remap.pristine_host_hdr INT 1
CONFIG proxy.config.log.logging_enabled INT 0
CONFIG proxy.config.admin.user_id STRING #-1
`,
  }),
  args: ({ folder }) => [`--run-root=${folder}/runroot.yaml`],
};

/** Where Debian and others keep Apache's modules. */
const apacheModules = "/usr/lib/apache2/modules";
const apacheParts: readonly string[] = [
  "mpm_event",
  "authz_core",
  "proxy",
  "proxy_http",
  "cache",
  "cache_disk",
];

export const apache: ProxyKind = {
  name: "apache",
  program: "apache2",
  versionArguments: ["-v"],
  folders: ["cache"],
  files: ({ port, originPort, folder }) => ({
    "apache.conf": `
ServerRoot ${folder}
ServerName 127.0.0.1
DefaultRuntimeDir ${folder}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
Mutex sem
${apacheParts.map((part) => `LoadModule ${part}_module ${apacheModules}/mod_${part}.so`).join("\n")}
${process.getuid?.() === 0 ? "User www-data\nGroup www-data" : ""}
Listen 127.0.0.1:${port}
ProxyPass / http://127.0.0.1:${originPort}/
CacheEnable disk /
CacheRoot ${folder}/cache
CacheDirLevels 5
CacheDirLength 3
CacheDefaultExpire 0
CacheIgnoreNoLastMod On
CacheStoreExpired On
UseCanonicalName On
CacheHeader On
CacheDetailHeader On
`,
  }),
  args: ({ folder }) => ["-DFOREGROUND", "-f", `${folder}/apache.conf`],
};

export const haproxy: ProxyKind = {
  name: "haproxy",
  program: "haproxy",
  versionArguments: ["-v"],
  files: ({ port, originPort }) => ({
    "haproxy.cfg": `
defaults
  mode http
  timeout connect 5s
  timeout client 1m
  timeout server 1m
cache all
  total-max-size 4
  max-object-size 10000
  max-age 240
  process-vary on
  max-secondary-entries 12
frontend clients
  bind 127.0.0.1:${port}
  filter cache all
  http-request cache-use all
  http-response cache-store all
  default_backend servers
backend servers
  server origin 127.0.0.1:${originPort}
`,
  }),
  args: ({ folder }) => ["-db", "-f", `${folder}/haproxy.cfg`],
};

export const caddy: ProxyKind = {
  name: "caddy",
  program: "caddy",
  versionArguments: ["version"],
  files: ({ port, originPort }) => ({
    Caddyfile: `
{
  admin off
  auto_https off
  cache
}
http://:${port} {
  bind 127.0.0.1
  cache {
    default_cache_control no-store
  }
  reverse_proxy 127.0.0.1:${originPort}
}
`,
  }),
  args: ({ folder }) => ["run", "--config", `${folder}/Caddyfile`, "--adapter", "caddyfile"],
  async shortcoming(path) {
    const { stdout } = await runProgram(path, ["list-modules"]);
    return /^http\.handlers\.cache$/m.test(stdout) ? undefined : "it is built without cache-handler";
  },
};
