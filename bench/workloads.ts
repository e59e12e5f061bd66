/** What the proxies are asked to do. */
export type Workload = HttpWorkload | StreamWorkload;

interface AnyWorkload {
  readonly name: string;
  /** One line for the reader. */
  readonly title: string;
  readonly connections: number;
  /** The only peers that take part; without it all that are not special to another workload. */
  readonly only?: readonly string[];
  /** The peers that the others are compared with. */
  readonly references: readonly string[];
}

/** What a client speaks to the proxy: HTTP/1 or HTTP/2, in the clear or over TLS. The origin always has HTTP/1. */
export type Protocol = "http1" | "h2c" | "https" | "h2";

/** Requests and answers. */
export interface HttpWorkload extends AnyWorkload {
  readonly kind: "load" | "idle";
  /** The bytes of one request. */
  readonly request: string;
  /** The length of the answer's body, checked before measuring. */
  readonly answerBytes: number;
  readonly protocol: Protocol;
  /** Requests at once on each connection, of HTTP/2. */
  readonly streams: number;
  /** Makes a new connection for every request, with a whole TLS handshake or one that takes up a session again. */
  readonly handshakes?: "full" | "resumed";
  /** What sluice's key metric may be as a multiple of nginx's. */
  readonly budget?: number;
}

/** Bytes that mean nothing to the proxy: messages that come back, or all that goes through. */
export interface StreamWorkload extends AnyWorkload {
  readonly kind: "echo" | "bulk";
  /** Bytes of one message; of no importance for bulk. */
  readonly messageBytes: number;
}

/** A file that the origin serves. */
export interface OriginFile {
  readonly path: string;
  readonly bytes: number;
}

export const originFiles: readonly OriginFile[] = [
  { path: "/13b", bytes: 13 },
  { path: "/4k", bytes: 4096 },
  { path: "/64k", bytes: 65_536 },
  { path: "/1m", bytes: 1_048_576 },
];

/** Before the path of a file: the same file, which may be kept by a cache. The origin refuses those who ask for it all the time. */
export const cachedPath = "/cached";

/** Takes a request body of any size and answers with the 13 bytes once it has read all of it. */
export const uploadPath = "/upload";

/** Requests as a browser sends them to a site with a session and an analytics cookie: 1.1 KB. */
const browserHeaders = [
  "Cache-Control: no-cache",
  "Pragma: no-cache",
  'Sec-CH-UA: "Chromium";v="142", "Not_A Brand";v="24", "Google Chrome";v="142"',
  "Sec-CH-UA-Mobile: ?0",
  'Sec-CH-UA-Platform: "Linux"',
  "Connection: keep-alive",
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Sec-Fetch-Site: same-origin",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-User: ?1",
  "Sec-Fetch-Dest: document",
  "Referer: https://www.example.com/catalogue/garden/tools?page=2&sort=price",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-GB,en-US;q=0.9,en;q=0.8,de;q=0.7",
  "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT",
  "Priority: u=0, i",
  "X-Requested-With: navigation",
  "Cookie: session=eyJ1aWQiOjE4MjczNjQ1LCJleHAiOjE3NjM2ODk2MDB9.k3J9sPq0vYw; consent=analytics:1|ads:0|v:7; " +
    "_ga=GA1.2.1483920174.1763601123; _gid=GA1.2.907311248.1763601123; theme=dark; currency=EUR; ab=garden-v2",
];

export function get(path: string, headers: readonly string[] = []): string {
  return `GET ${path} HTTP/1.1\r\n${["Host: www.example.com", ...headers].join("\r\n")}\r\n\r\n`;
}

/** A chunked POST, in chunks of 16 KiB as programs that stream tend to write them. */
function chunkedPost(path: string, bytes: number, chunkBytes = 16_384): string {
  const chunk = `${chunkBytes.toString(16)}\r\n${"x".repeat(chunkBytes)}\r\n`;
  return (
    `POST ${path} HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: application/octet-stream\r\n` +
    `Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(bytes / chunkBytes)}0\r\n\r\n`
  );
}

const usual = {
  kind: "load",
  answerBytes: 13,
  references: ["nginx", "nginx-tuned"],
  protocol: "http1",
  streams: 1,
} as const;
const streams = {
  messageBytes: 64,
  only: ["sluice-tcp", "sluice-tcp-before", "nginx-stream", "nginx-stream-256k", "haproxy-tcp", "toxiproxy"],
  references: ["nginx-stream", "nginx-stream-256k"],
} as const;
const small = get("/13b");
const browser = get("/13b", browserHeaders);
const closing = get("/13b", ["Connection: close"]);

/** 256 requests at once on few connections, as HTTP/2 is meant to be used. */
const multiplexed = { ...usual, request: small, connections: 16, streams: 16 } as const;

/** HTTP/2, and TLS before either version. */
const secureAndMultiplexed: readonly HttpWorkload[] = [
  {
    ...multiplexed,
    name: "h2c",
    title: "HTTP/2 without TLS: 13 B answers, 16 connections with 16 streams each",
    protocol: "h2c",
    budget: 0.65,
  },
  {
    ...multiplexed,
    name: "h2c-browser",
    title: "HTTP/2 without TLS: a browser's headers, 16 connections with 16 streams each",
    request: browser,
    protocol: "h2c",
    budget: 0.7,
  },
  {
    ...multiplexed,
    name: "h2-single",
    title: "HTTP/2 without TLS: 13 B answers, 64 connections with one stream at a time",
    protocol: "h2c",
    connections: 64,
    streams: 1,
    budget: 1,
  },
  {
    ...usual,
    name: "tls",
    title: "HTTP/1 over TLS: 13 B answers, 64 connections",
    request: small,
    protocol: "https",
    connections: 64,
    budget: 1.2,
  },
  {
    ...multiplexed,
    name: "tls-h2",
    title: "HTTP/2 over TLS: 13 B answers, 16 connections with 16 streams each",
    protocol: "h2",
    budget: 0.75,
  },
  {
    ...multiplexed,
    name: "tls-h2-single",
    title: "HTTP/2 over TLS: 13 B answers, 64 connections with one stream at a time",
    protocol: "h2",
    connections: 64,
    streams: 1,
    budget: 1.25,
  },
  {
    ...usual,
    name: "tls-handshakes",
    title: "a new TLS connection for every request, 16 at a time, each with a full handshake",
    request: closing,
    protocol: "https",
    handshakes: "full",
    connections: 16,
    budget: 1.65,
  },
  {
    ...usual,
    name: "tls-resumed",
    title: "a new TLS connection for every request, 16 at a time, each resuming a session",
    request: closing,
    protocol: "https",
    handshakes: "resumed",
    connections: 16,
    budget: 2,
  },
];

/** The peers that answer from a cache. */
const cached = {
  ...usual,
  only: ["sluice-cache", "sluice-cache-before", "nginx-cache", "varnish"],
  references: ["nginx-cache", "varnish"],
  budget: 1,
} as const;
const cachedAndMultiplexed = { ...cached, protocol: "h2c", connections: 16, streams: 16 } as const;

/** One file of each size, asked for again and again, which only its first asker gets from the origin. */
const hits: readonly HttpWorkload[] = [
  {
    ...cached,
    name: "cache-13b",
    title: "cache hits of 13 B, 64 connections",
    request: get(`${cachedPath}/13b`),
    connections: 64,
  },
  {
    ...cached,
    name: "cache-4k",
    title: "cache hits of 4 KiB, 64 connections",
    request: get(`${cachedPath}/4k`),
    answerBytes: 4096,
    connections: 64,
  },
  {
    ...cached,
    name: "cache-1m",
    title: "cache hits of 1 MiB, 16 connections",
    request: get(`${cachedPath}/1m`),
    answerBytes: 1_048_576,
    connections: 16,
  },
  {
    ...cachedAndMultiplexed,
    name: "cache-13b-h2c",
    title: "cache hits of 13 B over HTTP/2 without TLS, 16 connections with 16 streams each",
    request: get(`${cachedPath}/13b`),
  },
  {
    ...cachedAndMultiplexed,
    name: "cache-4k-h2c",
    title: "cache hits of 4 KiB over HTTP/2 without TLS, 16 connections with 16 streams each",
    request: get(`${cachedPath}/4k`),
    answerBytes: 4096,
  },
  {
    ...cachedAndMultiplexed,
    name: "cache-1m-h2c",
    title: "cache hits of 1 MiB over HTTP/2 without TLS, 16 connections with one stream at a time",
    request: get(`${cachedPath}/1m`),
    answerBytes: 1_048_576,
    streams: 1,
  },
];

/** In the order in which they are run and reported. */
export const workloads: readonly Workload[] = [
  { ...usual, name: "small", title: "13 B answers, 64 connections", request: small, connections: 64 },
  { ...usual, name: "small-512", title: "13 B answers, 512 connections", request: small, connections: 512 },
  {
    ...usual,
    name: "browser",
    title: "13 B answers to requests with a browser's twenty headers, 64 connections",
    request: browser,
    connections: 64,
  },
  {
    ...usual,
    name: "browser-512",
    title: "13 B answers to requests with a browser's twenty headers, 512 connections",
    request: browser,
    connections: 512,
  },
  {
    ...usual,
    name: "4k",
    title: "4 KiB answers, 64 connections",
    request: get("/4k"),
    answerBytes: 4096,
    connections: 64,
  },
  {
    ...usual,
    name: "64k",
    title: "64 KiB answers, 64 connections",
    request: get("/64k"),
    answerBytes: 65_536,
    connections: 64,
  },
  {
    ...usual,
    name: "1m",
    title: "1 MiB answers, 16 connections",
    request: get("/1m"),
    answerBytes: 1_048_576,
    connections: 16,
  },
  {
    ...usual,
    name: "upload",
    title: "64 KiB chunked POST, 64 connections",
    request: chunkedPost(uploadPath, 65_536),
    connections: 64,
  },
  {
    ...usual,
    name: "new-conn",
    title: "a new connection for every request, 64 at a time",
    request: closing,
    connections: 64,
  },
  {
    ...usual,
    kind: "idle",
    name: "idle",
    title: "memory of keep-alive connections that did one request each and stay",
    request: small,
    connections: 5000,
  },
  {
    ...usual,
    name: "filters",
    title: "two synchronous filters against none, a browser's headers, 64 connections",
    request: browser,
    connections: 64,
    only: ["sluice", "sluice-filters"],
    references: ["sluice"],
  },
  ...secureAndMultiplexed,
  ...hits,
  {
    ...streams,
    kind: "echo",
    name: "stream-echo",
    title: "TCP: 64 B there and back, 64 connections",
    connections: 64,
  },
  {
    ...streams,
    kind: "bulk",
    name: "stream-bulk",
    title: "TCP: as much as goes through, 8 connections",
    connections: 8,
  },
];

/** Those of HTTP. */
export const httpWorkloads: readonly HttpWorkload[] = workloads.filter((workload) => "request" in workload);
