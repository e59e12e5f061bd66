import { FieldId } from "../http/field-names.ts";
import { type BodyLength, ResponseHead } from "../http/heads.ts";
import { isBodiless } from "../http/status.ts";
import type { HeadProblem } from "./head-limits.ts";
import { ConnectionOption, type HeadScan } from "./head-scan.ts";
import { ReceivedResponse } from "./received-head.ts";
import { deleteNamedFields } from "./request-rules.ts";

/** A response head from a complete scan, or what is wrong with it. `toHead` says that it answers a HEAD request. */
export function toResponseHead(scan: HeadScan, toHead: boolean): ResponseHead | HeadProblem {
  if (scan.chunked && scan.minorVersion === 0) return "CHUNKED_IN_HTTP_1_0";
  const body = responseBodyLength(scan, toHead);
  const head = new ResponseHead(new ReceivedResponse(scan), scan.status, body);
  head.present = scan.present;
  if ((scan.connection & ConnectionOption.Names) !== 0) deleteNamedFields(head.headers);
  return head;
}

/** RFC 9112 §6.3. */
function responseBodyLength(scan: HeadScan, toHead: boolean): BodyLength {
  if (toHead || isBodiless(scan.status)) return "none";
  if (scan.chunked || scan.contentLength < 0) return "unknown";
  return scan.contentLength;
}

/** True when the server's connection may carry another request after this response. */
export function mayBeReused(scan: HeadScan, head: ResponseHead): boolean {
  if ((scan.connection & ConnectionOption.Close) !== 0) return false;
  if (head.body === "unknown" && !scan.chunked) return false;
  return scan.minorVersion > 0 || (scan.connection & ConnectionOption.KeepAlive) !== 0;
}

/** True when the server changes to the protocol it was asked for. */
export function isSwitch(scan: HeadScan): boolean {
  return (
    scan.status === 101 &&
    (scan.connection & ConnectionOption.Upgrade) !== 0 &&
    (scan.present & (1 << FieldId.Upgrade)) !== 0
  );
}
