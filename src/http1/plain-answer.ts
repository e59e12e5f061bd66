import { ResponseHead } from "../http/heads.ts";
import { output } from "../net/output.ts";
import type { Transport } from "../net/transport.ts";
import { writeResponseHead } from "./head-encoder.ts";
import { responseLines } from "./response-lines.ts";

/** A connection's own answer to what is no request: the status as text. The connection is closed after it. */
export function sendPlainAnswer(transport: Transport, status: number): void {
  const head = ResponseHead.from({ status, headers: { "Content-Type": "text/plain; charset=utf-8" } });
  const text = Buffer.from(`HTTP ${status} ${head.reason}\n`);
  writeResponseHead(output, transport, head, text.length, responseLines(head, false, true));
  transport.send(text, 0, text.length);
}
