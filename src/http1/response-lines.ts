import { dateLineFor } from "../http/date-line.ts";
import type { ResponseHead } from "../http/heads.ts";

/**
 * The fields an HTTP/1 response gets from this connection. `Connection` is said only where it differs from what the
 * client's version implies (RFC 9112 §9.3).
 */
export function responseLines(head: ResponseHead, keepAlive: boolean, isHttp11: boolean): string {
  if (head.status === 101) return `Connection: Upgrade\r\nUpgrade: ${head.headers.get("upgrade") ?? ""}\r\n`;
  const date = dateLineFor(head);
  if (keepAlive) return isHttp11 ? date : `${date}Connection: keep-alive\r\n`;
  return `${date}Connection: close\r\n`;
}
