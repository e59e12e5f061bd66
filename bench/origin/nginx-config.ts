import { userInfo } from "node:os";
import { cachedPath, uploadPath } from "../workloads.ts";

/**
 * nginx as an origin that costs as little as it can, and never closes a connection by itself.
 *
 * nginx has no directive that reads an upload and throws it away, and answering before the upload
 * was read (as `return 200` does) makes proxies give the connection up. A mirrored request reads
 * the whole body before the file handler turns the POST down, and that answer is then replaced.
 *
 * What a cache may keep is refused to those who ask for it again and again, so that no proxy is measured as a cache which is none.
 */
export function nginxOriginConfig(directory: string, port: number): string {
  return `
daemon off;
user ${userInfo().username};
worker_processes 1;
pid ${directory}/origin.pid;
error_log ${directory}/origin.log crit;
worker_rlimit_nofile 16384;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off;
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=100 inactive=1h;
  open_file_cache_valid 1h;
  keepalive_timeout 1h;
  keepalive_requests 1000000000;
  client_body_buffer_size 256k;
  client_body_temp_path ${directory}/origin-bodies;
  proxy_temp_path ${directory}/origin-proxy;
  fastcgi_temp_path ${directory}/origin-fastcgi;
  uwsgi_temp_path ${directory}/origin-uwsgi;
  scgi_temp_path ${directory}/origin-scgi;
  limit_req_zone $server_port zone=askers:64k rate=20r/s;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${directory};
    location ${uploadPath} {
      mirror /nowhere;
      mirror_request_body on;
      error_page 405 =200 /13b;
    }
    location ${cachedPath}/ {
      alias ${directory}/;
      add_header Cache-Control max-age=86400;
      limit_req zone=askers burst=100 nodelay;
    }
    location /nowhere { internal; return 204; }
  }
}
`;
}
