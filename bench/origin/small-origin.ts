// Run as a process of its own, with a port as its only argument: serves the origin's files and
// sinks uploads, where nginx is not installed.

import { createServer, type Socket } from "node:net";
import { MessageReader } from "../load/message-reader.ts";
import { cachedPath, originFiles, uploadPath } from "../workloads.ts";

/** For what a cache may keep. */
const keepable = "Cache-Control: max-age=86400\r\n";
const answers = new Map<string, Buffer>([
  ...originFiles.map(({ path, bytes }) => [path, answer("200 OK", bytes)] as const),
  ...originFiles.map(({ path, bytes }) => [cachedPath + path, answer("200 OK", bytes, keepable)] as const),
  [uploadPath, answer("200 OK", 13)],
]);
const notFound = answer("404 Not Found", 0);

function answer(status: string, bytes: number, fields = ""): Buffer {
  const head =
    `HTTP/1.1 ${status}\r\nServer: origin\r\nContent-Type: application/octet-stream\r\n` +
    `Content-Length: ${bytes}\r\n${fields}\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.alloc(bytes, "Hello, world!")]);
}

/** The same answer with the announcement that the connection ends behind it. */
function closing(reply: Buffer): Buffer {
  const lineEnd = reply.indexOf("\r\n");
  return Buffer.concat([
    reply.subarray(0, lineEnd),
    Buffer.from("\r\nConnection: close"),
    reply.subarray(lineEnd),
  ]);
}

function serve(socket: Socket): void {
  const reader = new MessageReader();
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    if (!reader.feed(bytes)) return;
    const path = reader.startLine.split(" ")[1] ?? "";
    const reply = answers.get(path) ?? notFound;
    if (reader.closes) socket.end(closing(reply));
    else socket.write(reply);
  });
}

createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), "127.0.0.1", 4096);
