import { FieldId } from "./field-names.ts";
import type { ResponseHead } from "./heads.ts";

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

/** The line that dates a response, "" for one that is dated already. */
export function dateLineFor(head: ResponseHead): string {
  return lacksDate(head) ? currentDateLine() : "";
}
