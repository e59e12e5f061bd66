import type { Outcome } from "./ledger.ts";
import { CHUNKED, UNTIL_CLOSE } from "./message-reader.ts";
import { type Order, statusOf } from "./order.ts";
import type { Plan } from "./plan.ts";

/** A response's head, as far as its client cares. */
export interface ResponseHead {
  readonly status: number;
  /** Of the order that the origin answered; null when the proxy answered itself. */
  readonly id: number | null;
  /** -1 without one. */
  readonly contentLength: number;
  readonly chunked: boolean;
  readonly closes: boolean;
}

const statusLine = /^HTTP\/1\.1 (\d\d\d) /;

/** @throws Error when it isn't a head of a response */
export function parseResponseHead(head: string): ResponseHead {
  const status = statusLine.exec(head);
  if (status === null) throw new Error(`not a response: ${JSON.stringify(head.slice(0, 200))}`);
  const id = /\r\nx-id: (\d+)(?:\r\n|$)/i.exec(head);
  const length = /\r\ncontent-length: (\d+)(?:\r\n|$)/i.exec(head);
  return {
    status: Number(status[1]),
    id: id === null ? null : Number(id[1]),
    contentLength: length === null ? -1 : Number(length[1]),
    chunked: /\r\ntransfer-encoding: chunked(?:\r\n|$)/i.test(head),
    closes: /\r\nconnection: close(?:\r\n|$)/i.test(head),
  };
}

/**
 * The length of the body that follows.
 * @throws Error when the head isn't an answer to `plan`
 */
export function checkHead(head: ResponseHead, plan: Plan): number {
  const { order } = plan;
  if (head.chunked && head.contentLength !== -1) throw new Error("two framings");
  if (head.id === null) return checkOwnAnswer(head, order);
  if (head.id !== order.id) throw new Error(`the answer to request ${head.id}`);
  if (head.status !== statusOf(order)) throw new Error(`status ${head.status} instead of ${statusOf(order)}`);
  if (order.method === "HEAD") {
    checkLength(head, order, order.answer === "length");
    return 0;
  }
  if (head.status === 204 || head.status === 304) {
    if (head.chunked || head.contentLength > 0) throw new Error("a body where there is none");
    return 0;
  }
  checkLength(head, order, order.answer === "length" || head.status === 403);
  if (head.chunked && plan.isHttp10) throw new Error("chunks for a client that doesn't know them");
  if (!head.chunked && head.contentLength === -1) {
    if (!plan.isHttp10) throw new Error("a body without an end");
    return UNTIL_CLOSE;
  }
  return head.chunked ? CHUNKED : head.contentLength;
}

function checkLength(head: ResponseHead, order: Order, isTold: boolean): void {
  if (!isTold) return;
  if (head.contentLength !== order.size) throw new Error(`a length of ${head.contentLength}`);
}

function checkOwnAnswer(head: ResponseHead, order: Order): number {
  // 503 is said where a server of HTTP/2 has told that it did nothing with the request.
  if (![502, 503, 504].includes(head.status)) throw new Error(`status ${head.status} of the proxy's own`);
  if (refusalOutcome(order) === null) throw new Error(`status ${head.status} without a reason`);
  if (head.contentLength === -1) throw new Error("an answer of the proxy's own without a length");
  return order.method === "HEAD" ? 0 : head.contentLength;
}

/** What it means that the proxy answered itself; null when it should not have. */
export function refusalOutcome(order: Order): Outcome | null {
  const { fault, upload } = order;
  // A reset may overtake what was sent before it.
  if (fault === "drop" || fault === "half-head" || fault === "cut") return "refused";
  // An upload may be too long to be kept for a repetition, and a POST is never repeated.
  return upload >= 0 ? "raced" : null;
}

/** How a complete answer of the origin's is to be taken. @throws Error when there should have been none */
export function judgeComplete(order: Order, received: number): Outcome {
  const { fault, size } = order;
  if (fault === "drop" || fault === "half-head") throw new Error("a complete answer that nobody gave");
  if (fault === "cut") throw new Error(`a cut body looked complete after ${received} of ${size} bytes`);
  const expected = order.method === "HEAD" ? 0 : size;
  if (received !== expected) throw new Error(`a complete answer of ${received} bytes instead of ${expected}`);
  return "intact";
}
