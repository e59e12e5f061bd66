import { FieldId } from "../http/field-names.ts";
import type { ResponseHead } from "../http/heads.ts";

const DATE_BIT = 1 << FieldId.Date;

let dateLine = "";
let dateSecond = 0;

/** The field that a received response must get when it came without one (RFC 9110 §6.6.1); made once a second. */
function currentDateLine(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `Date: ${new Date(second * 1000).toUTCString()}\r\n`;
  }
  return dateLine;
}

function lacksDate(head: ResponseHead): boolean {
  const { touchedHeaders, present } = head;
  const isTouched = touchedHeaders !== null && (touchedHeaders.touchedIds & DATE_BIT) !== 0;
  return isTouched ? !touchedHeaders.has("date") : (present & DATE_BIT) === 0;
}

/**
 * The fields an HTTP/1 response gets from this connection. `Connection` is said only where it differs from what the
 * client's version implies (RFC 9112 §9.3).
 */
export function responseLines(head: ResponseHead, keepAlive: boolean, isHttp11: boolean): string {
  if (head.status === 101) return `Connection: Upgrade\r\nUpgrade: ${head.headers.get("upgrade") ?? ""}\r\n`;
  const date = lacksDate(head) ? currentDateLine() : "";
  if (keepAlive) return isHttp11 ? date : `${date}Connection: keep-alive\r\n`;
  return `${date}Connection: close\r\n`;
}
