/** Measures what field blocks of HTTP/2 cost: `npm run bench:hpack`. */

import { FieldId } from "../../src/http/field-names.ts";
import type { FieldTable } from "../../src/http/field-table.ts";
import { HeadScan } from "../../src/http1/head-scan.ts";
import { BlockKind, FieldBlock } from "../../src/http2/hpack/field-block.ts";
import { Pseudo } from "../../src/http2/hpack/field-kinds.ts";
import { HeaderDecoder } from "../../src/http2/hpack/header-decoder.ts";
import { HeaderEncoder } from "../../src/http2/hpack/header-encoder.ts";
import { textTable } from "../report/table.ts";

const BLOCKS = 100_000;
const ROUNDS = 9;
const HOST_BIT: number = 1 << FieldId.Host;

const CURL = `GET / HTTP/1.1
Host: 127.0.0.1:8080
User-Agent: curl/8.14.1
Accept: */*

`;

const BROWSER = `GET /assets/app.3f9c2b1d.js?v=20260401 HTTP/1.1
Host: www.example.com
Connection: keep-alive
sec-ch-ua: "Chromium";v="142", "Not_A Brand";v="99"
sec-ch-ua-mobile: ?0
sec-ch-ua-platform: "Linux"
Upgrade-Insecure-Requests: 1
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8
Sec-Fetch-Site: same-origin
Sec-Fetch-Mode: navigate
Sec-Fetch-User: ?1
Sec-Fetch-Dest: document
Referer: https://www.example.com/products/shoes?size=42&colour=black
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-GB,en;q=0.9,de;q=0.8
Cookie: session=4f6d2c8e9b7a1350; theme=dark; consent=yes; _ga=GA1.1.1234567890.1700000000
Cache-Control: max-age=0
DNT: 1
Priority: u=0, i
X-Requested-With: XMLHttpRequest

`;

/** Sizes 0 and 4096: what is sent first on a new connection, without the memory that is taken for it. */
const EMPTY_TABLE: Buffer = Buffer.from([0x20, 0x3f, 0xe1, 0x1f]);
const OUT = Buffer.alloc(64 * 1024);

function encodeWith(encoder: HeaderEncoder, path: string, table: FieldTable): number {
  encoder.begin(OUT, 0);
  encoder.pseudo(Pseudo.Method, "GET");
  encoder.pseudo(Pseudo.Scheme, "http");
  encoder.hostAsAuthority(table, null);
  encoder.pseudo(Pseudo.Path, path);
  encoder.fields(table, null, HOST_BIT);
  return encoder.end();
}

/** Nanoseconds of processor time for each call: the middle of several rounds, the first of which only warm up. */
function cost(call: () => void): number {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < BLOCKS; i++) call();
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1000) / BLOCKS;
  });
  return rounds.slice(2).sort((a, b) => a - b)[(ROUNDS - 2) >> 1]!;
}

function measure(name: string, head: string): string[] {
  const text = Buffer.from(head.replaceAll("\n", "\r\n"), "latin1");
  const table = new HeadScan({ requestLine: 8192, bytes: 65_536, fields: 128 });
  table.scanRequest(text, 0, text.length);
  const path = head.split(" ")[1]!;
  const encoder = new HeaderEncoder();
  const first = Buffer.from(OUT.subarray(0, encodeWith(encoder, path, table)));
  const later = Buffer.from(OUT.subarray(0, encodeWith(encoder, path, table)));
  const block = new FieldBlock();
  const decoder = new HeaderDecoder();
  decoder.decode(first, 0, first.length, block, BlockKind.Request);
  const emptied = Buffer.concat([EMPTY_TABLE, first]);
  const figures = [
    cost(() => void decoder.decode(emptied, 0, emptied.length, block, BlockKind.Request)),
    cost(() => void decoder.decode(later, 0, later.length, block, BlockKind.Request)),
    cost(() => {
      encoder.limitTable(0);
      encoder.limitTable(4096);
      encodeWith(encoder, path, table);
    }),
    cost(() => void encodeWith(encoder, path, table)),
  ];
  const sizes = [text.length, first.length, later.length].map(String);
  return [name, ...sizes, ...figures.map((figure) => figure.toFixed(0))];
}

const columns = ["head", "bytes", "first", "later", "decode first", "later", "encode first", "later"];
const rows = [measure("curl", CURL), measure("browser", BROWSER)];
process.stdout.write(`Bytes of a field block, and nanoseconds of processor time for it

${textTable([columns, ...rows])}
`);
