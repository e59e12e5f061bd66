import type { HttpHeaders } from "../http-headers.ts";

/** Marks a message of gRPC-Web as trailers. */
const TRAILERS = 0x80;
const PREFIX = 5;

/** Trailers as the last message of a gRPC-Web body: lines as in HTTP/1, with names in lower case. */
export function encodeWebTrailers(trailers: HttpHeaders): Buffer {
  let lines = "";
  for (const [name, value] of trailers) lines += `${name.toLowerCase()}:${value}\r\n`;
  const frame = Buffer.allocUnsafe(PREFIX + lines.length);
  frame[0] = TRAILERS;
  frame.writeUInt32BE(lines.length, 1);
  frame.write(lines, PREFIX, "latin1");
  return frame;
}
