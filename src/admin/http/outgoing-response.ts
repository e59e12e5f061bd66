import type { ServerResponse } from "node:http";
import type { ApiResponse, Streamer } from "./api-message.ts";

/**
 * Sends an answer as a Go server would: no `Connection` or `Keep-Alive` field on a connection that stays.
 * @param time milliseconds that a client may take to receive it, streams apart
 */
export function sendResponse(response: ServerResponse, answer: ApiResponse, time: number): void {
  if (response.destroyed) return;
  if (response.shouldKeepAlive) response.removeHeader("Connection");
  if (typeof answer.body === "string") sendText(response, answer, answer.body, time);
  else sendStream(response, answer, answer.body);
}

/** What has no body by its nature has no length either. */
const NO_CONTENT = 204;

function sendText(
  response: ServerResponse,
  { status, headers }: ApiResponse,
  text: string,
  time: number,
): void {
  const late = setTimeout(() => response.destroy(), time);
  response.on("close", () => clearTimeout(late));
  const length = status === NO_CONTENT ? {} : { "Content-Length": Buffer.byteLength(text) };
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

/** What a client gets that speaks no HTTP, or asks for what is no path. */
export const BAD_REQUEST_TEXT = "400 Bad Request";

/** The same before there is a response. */
export const RAW_BAD_REQUEST: string = [
  "HTTP/1.1 400 Bad Request",
  "Content-Type: text/plain; charset=utf-8",
  "Connection: close",
  "",
  BAD_REQUEST_TEXT,
].join("\r\n");
