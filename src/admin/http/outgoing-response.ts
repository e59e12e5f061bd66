import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { ApiResponse, Streamer } from "./api-message.ts";

/**
 * Sends an answer as a Go server would: no `Connection` or `Keep-Alive` field on a connection that stays.
 * @param time milliseconds that a client may take to receive it, streams apart
 */
export function sendResponse(response: ServerResponse, answer: ApiResponse, time: number): void {
  if (response.destroyed) return;
  const isUsual = response.shouldKeepAlive && response.req.httpVersion === "1.1";
  if (isUsual) response.removeHeader("Connection");
  if (typeof answer.body === "string") sendText(response, answer, answer.body, time);
  else sendStream(response, answer, answer.body);
}

const NO_CONTENT = 204;

function sendText(
  response: ServerResponse,
  { status, headers }: ApiResponse,
  text: string,
  time: number,
): void {
  const late = setTimeout(() => response.destroy(), time);
  response.on("close", () => clearTimeout(late));
  // What has no body by its nature has no length either.
  const hasNone = status === NO_CONTENT || (response.req.method === "HEAD" && text === "");
  const length = hasNone ? {} : { "Content-Length": Buffer.byteLength(text) };
  response.writeHead(status, { ...headers, ...length }).end(text);
}

function sendStream(response: ServerResponse, { status, headers }: ApiResponse, stream: Streamer): void {
  response.writeHead(status, headers).flushHeaders();
  const stop = stream({
    write: (text) => response.write(text),
    get pending() {
      return response.writableLength;
    },
    end: () => response.end(),
  });
  response.on("close", stop);
}

const BAD_REQUEST = "400 Bad Request";
const PLAIN_TEXT = "text/plain; charset=utf-8";

/** Refuses a request that breaks the rules of HTTP, and closes its connection. */
export function refuseRequest(response: ServerResponse, reason = ""): void {
  response.shouldKeepAlive = false;
  response.useChunkedEncodingByDefault = false;
  response.writeHead(400, { "Content-Type": PLAIN_TEXT }).end(`${BAD_REQUEST}${reason}`);
}

/** Says the same on a connection on which no HTTP was spoken, and nothing where it was only too slow, and closes it. */
export function refuseConnection(socket: Socket, { code }: NodeJS.ErrnoException): void {
  const head = [`HTTP/1.1 ${BAD_REQUEST}`, `Content-Type: ${PLAIN_TEXT}`, "Connection: close", "", ""];
  if (socket.writable && code !== "ERR_HTTP_REQUEST_TIMEOUT")
    socket.end(head.join("\r\n") + BAD_REQUEST, () => socket.destroy());
  else socket.destroy();
}
